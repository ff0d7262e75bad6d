#!/usr/bin/env bash
# The curl examples of docs/SIMULATOR.md, run as they are written: only what stands for a value of the reader's own
# (PORT, the dots of a credential) is filled in. EDR_SIM names the program.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
sims=()
trap 'kill "${sims[@]}" 2>/dev/null || true; wait || true; rm -rf "$work"' EXIT

# start NAME FLAGS…: a simulator with its ready line in a file of that name.
start() {
  local name=$1
  shift
  "$EDR_SIM" --key-type standard --falcon-hosts 20 --cortex-hosts 20 "$@" >"$work/$name" &
  sims+=($!)
  for _ in $(seq 100); do
    [ -s "$work/$name" ] && return
    sleep 0.1
  done
  echo "the simulator does not start" >&2
  exit 1
}

# ready NAME EXPRESSION: a value of a ready line; f and c are its tenants.
ready() {
  python3 -c 'import json, sys
ready = json.load(open(sys.argv[1]))
f, c = (next(t for t in ready["tenants"] if t["vendor"] == v) for v in ("falcon", "cortex"))
print(eval(sys.argv[2]))' "$work/$1" "$2"
}

start plain
start tls --tls
falcon=$(ready plain 'f["base_url"]')
cortex=$(ready plain 'c["base_url"]')
control=$(ready plain 'ready["control"]')
tls=https://api-$(ready tls 'c["fqdn"]')
id=$(ready plain 'f["client_id"]')
secret=$(ready plain 'f["client_secret"]')
KEY=$(ready plain 'c["api_key"]') # the same with --tls: it comes from the seed
CA=$(ready tls 'ready["ca"]')
token=

# The commands of the page, one a line: what begins with `$ curl`, joined with the lines that it goes on to.
examples() {
  sed -e ':join' -e '/\\$/{N;s/\\\n */ /;bjoin' -e '}' docs/SIMULATOR.md | sed -n 's/^\$ \(curl .*\)/\1/p'
}

fill() {
  local text=$1 base=$falcon
  case $text in
    */public_api/* | */api_keys/*) base=$cortex ;;
    */sim/*) base=$control ;;
  esac
  text=${text//http:\/\/127.0.0.1:PORT/$base}
  text=${text//https:\/\/api-cortex-1.localhost:PORT/$tls}
  text=${text//client_id=…/client_id=$id}
  text=${text//client_secret=…/client_secret=$secret}
  text=${text//Bearer …/Bearer $token}
  echo "$text"
}

# What a good answer looks like: JSON that holds something and no error.
judge() {
  python3 -c 'import json, sys
body = json.load(sys.stdin)
bad = body.get("errors") or (body.get("reply") or {}).get("err_code") if isinstance(body, dict) else None
sys.exit(f"it answers {body}" if bad or not body else 0)' <"$work/answer"
}

ran=0
while IFS= read -r example; do
  command=$(fill "$example")
  case $command in
    *…* | *PORT*) echo "curl.sh does not know what to fill into: $example" >&2; exit 1 ;;
  esac
  echo "$example"
  env -i PATH="$PATH" HOME="$work" KEY="$KEY" CA="$CA" NO_PROXY='*' bash -euo pipefail -c "$command" >"$work/answer"
  judge
  case $example in
    */oauth2/token*) token=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])' <"$work/answer") ;;
  esac
  ran=$((ran + 1))
done < <(examples)

if [ "$ran" -lt 3 ]; then
  echo "only $ran curl examples were found in docs/SIMULATOR.md" >&2
  exit 1
fi
echo "$ran curl examples of docs/SIMULATOR.md work as written"
