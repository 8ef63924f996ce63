#!/usr/bin/env bash
# The tool in a minute, against the emulator on loopback: archive, send, die by
# kill -9 in the middle, resume, ask with SQL. Everything is left in ./demo-data.
set -euo pipefail
batch=${BATCH:-bin/batch}
messages=${DEMO_MESSAGES:-100000} rows=${DEMO_ROWS:-5000} rate=${DEMO_RATE:-400/s}

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
rm -rf demo-data && mkdir -m 700 demo-data

say "1. The emulator: an imitation of the API on loopback, with $messages messages in it"
"$batch" emulator --listen 127.0.0.1:0 --seed 7 --conversations 2000 --contacts 2000 \
	--messages "$messages" --latency 20ms --limit 800/s >demo-data/emulator.json 2>demo-data/emulator.log &
emulator=$!
trap 'kill "$emulator" 2>/dev/null || true' EXIT
for _ in $(seq 100); do [ -s demo-data/emulator.json ] && break; sleep 0.1; done
field() { sed -nE "s/.*\"$1\": ?\"([^\"]*)\".*/\1/p" demo-data/emulator.json; }
DEMO_PROJECT=$(field project) DEMO_APP=$(field app) DEMO_KEY_ID=$(field key_id) DEMO_KEY_SECRET=$(field key_secret)
export DEMO_PROJECT DEMO_APP DEMO_KEY_ID DEMO_KEY_SECRET
DEMO_URL=$(field conversation) DEMO_TOKEN_URL=$(field token)
export DEMO_URL DEMO_TOKEN_URL

awk -v n="$rows" 'BEGIN { print "phone,name"; for (i = 0; i < n; i++) printf "+4670%07d,Guest %d\n", i, i }' >demo-data/recipients.csv
cat >demo-data/jobs.yaml <<YAML
version: 1
api:
  project: \${DEMO_PROJECT}
  region: eu
  key_id: \${DEMO_KEY_ID}
  key_secret: \${DEMO_KEY_SECRET}
  urls: {conversation: "\${DEMO_URL}", batch: "\${DEMO_URL}", provisioning: "\${DEMO_URL}", token: "\${DEMO_TOKEN_URL}"}
store: ./store
limits: {requests: 800/s, in_flight: 64}
jobs:
  nightly-archive:
    kind: message_archive
    app: \${DEMO_APP}
    since: 60d
  spring-offer:
    kind: bulk_send
    app: \${DEMO_APP}
    from: {csv: recipients.csv}
    key: phone
    limits: {requests: $rate}
    reconcile_after: 2s # what is in doubt is looked for soon; the emulator's lists are never late
    request:
      recipient: {identified_by: {channel_identities: [{channel: SMS, identity: "{{.phone}}"}]}}
      message: {text_message: {text: "Hi {{.name}}, spring is here."}}
YAML
run() { "$batch" "$@"; }

say "2. Archive: batch run nightly-archive"
run run -f demo-data/jobs.yaml nightly-archive

say "3. Send $rows messages at $rate: batch run spring-offer; killed (-9) after 4 seconds"
"$batch" run -f demo-data/jobs.yaml spring-offer &
job=$!
sleep 4
kill -9 "$job"
wait "$job" 2>/dev/null || true

say "4. The same command again: it resumes by itself, and looks for the rows that were being sent when it died"
run run -f demo-data/jobs.yaml spring-offer
accepted=$(curl -fsS "${DEMO_URL}/_emulator/accepted" | wc -l)
twice=$(curl -fsS "${DEMO_URL}/_emulator/accepted" | grep -o '"identity": *"[^"]*"' | sort | uniq -d | wc -l)
printf '   the emulator accepted %s messages; to %s numbers twice\n' "$accepted" "$twice"

run sql -f demo-data/jobs.yaml "select count(*) as rows, count(*) filter (http_status = 0) as found_by_their_key from results where job = 'spring-offer' and state = 'done'"

say "5. Ask the archive: batch sql"
run sql -f demo-data/jobs.yaml "select channel, direction, count(*) as messages, count(distinct contact_id) as contacts from messages group by all order by messages desc limit 8"
run sql -f demo-data/jobs.yaml "select state, count(*) as rows, min(finished_at) as first, max(finished_at) as last from results where job = 'spring-offer' group by state order by state"

say "6. Where it lies"
find demo-data/store -name '*.parquet' -o -name '*.duckdb' -o -name '*.json' | sort | awk 'NR <= 12 { print "   " $0 } END { if (NR > 12) print "   … and " NR - 12 " more" }'
du -sh demo-data/store | awk '{ print "   " $1 " in all" }'

say "Look around:"
printf '   %s\n' "$batch status --store demo-data/store" "$batch results --store demo-data/store spring-offer" \
	"$batch sql --store demo-data/store \"select * exclude body from messages order by accept_time desc limit 5\""
