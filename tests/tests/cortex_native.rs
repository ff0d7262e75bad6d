//! The native client of Cortex XDR against the simulator: every scene.

mod cortex_scenes;

macro_rules! tests {
    ($($scene:ident)*) => {
        $(
            #[tokio::test]
            async fn $scene() {
                cortex_scenes::$scene(&cortex_scenes::Wire::default()).await;
            }
        )*
    };
}

cortex_scenes::each_scene!(tests);
