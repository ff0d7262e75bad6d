//! The words of the API as open enums: one that is not known survives as it was sent.

/// Makes an open enum from the vendor's words.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* #[doc = concat!("`", $word, "`.")] $variant,)+
            /// A word that this crate does not know.
            Other(String),
        }

        impl $name {
            /// The word as Falcon writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)+
                    _ => Self::Other(word.to_owned()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.as_str())
            }
        }

        impl<'de> $crate::wire::Field<'de> for Option<$name> {
            fn read<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let word = $crate::wire::text(d)?;
                // Nothing said is no word, unless the vendor means something by it.
                Ok(word.map(|w| $name::from(&*w)).filter(|w| *w != $name::Other(String::new())))
            }
        }

        impl<'de> $crate::wire::Field<'de> for Vec<$name> {
            fn read<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let words = <Vec<String> as $crate::wire::Field>::read(d)?;
                Ok(words.iter().map(|w| $name::from(w.as_str())).collect())
            }
        }
    };
}
pub(crate) use words;

#[cfg(test)]
#[expect(unreachable_pub, reason = "the macro makes public types")]
mod tests {
    words! {
        /// Colours.
        pub enum Colour {
            Blue = "blue",
            Red = "RED",
        }
    }
    crate::wire::wire! {
        /// A thing.
        pub struct Thing { colour: Option<Colour>, colours: Vec<Colour>, }
    }

    #[test]
    fn an_unknown_word_survives() {
        let thing: Thing =
            serde_json::from_str(r#"{"colour":"teal","colours":["RED","blue",null,7]}"#).unwrap();
        assert_eq!(thing.colour, Some(Colour::Other("teal".to_owned())));
        assert_eq!(thing.colours, [Colour::Red, Colour::Blue, Colour::Other("7".to_owned())]);
        assert_eq!(serde_json::to_string(&thing.colour).unwrap(), "\"teal\"");
        assert_eq!(Colour::Red.to_string(), "RED");
        let none: Thing = serde_json::from_str(r#"{"colour":null,"colours":null}"#).unwrap();
        assert_eq!(none, Thing::default());
    }
}
