#!/usr/bin/env bash
# Fuzzes every target for FUZZTIME (a minute) each, with FUZZPARALLEL (2)
# workers. What it finds stays below the package in testdata/fuzz, where
# `make test` runs it again.
set -euo pipefail
cd "$(dirname "$0")/.."

# Two ways of looking for targets, so that none is left out in silence: what
# stands in the files, and what the packages list.
written=$(git ls-files -co --exclude-standard '*_test.go' | xargs grep -ho '^func Fuzz[A-Za-z0-9_]*' | wc -l)
targets=()
for pkg in $(go list ./...); do
	listed=$(go test -list '^Fuzz' "$pkg")
	for target in $(grep '^Fuzz' <<<"$listed" || true); do
		targets+=("$pkg $target")
	done
done
if [ "${#targets[@]}" -ne "$written" ]; then
	echo "the files have $written fuzz targets and the packages list ${#targets[@]}" >&2
	exit 1
fi

failed=()
for each in "${targets[@]}"; do
	read -r pkg target <<<"$each"
	echo "== $pkg $target"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-1m}" -parallel "${FUZZPARALLEL:-2}" "$pkg" || failed+=("$each")
done
[ "${#failed[@]}" -eq 0 ] || printf "FAILED: %s\n" "${failed[@]}" >&2
[ "${#failed[@]}" -eq 0 ]
