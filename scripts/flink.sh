#!/usr/bin/env bash
# Runs penguins' Beam stages on a local Flink, in a folder of its own, through the job server that Beam has for it.
#
#   scripts/flink.sh                       takes the jar from Beam's own cache
#   FLINK_JAR=/path/to.jar scripts/flink.sh
#
# Nothing is downloaded. Where Java or the jar is missing it says so and how to get it, and leaves with 0: skipped.
# Exit codes: 0 done or skipped, 1 the pipeline failed on Flink, 2 FLINK_JAR names no file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

skip() { printf 'flink: skipped: %s\n' "$1"; exit 0; }

java=${JAVA_HOME:+$JAVA_HOME/bin/}java
command -v "$java" >/dev/null || skip "no $java. Install Java 11 or later (Debian, Ubuntu: apt install default-jre-headless)."
beam=$(python -c 'from importlib.metadata import version; print(version("apache-beam"))')
artifact=beam-runners-flink-1.19-job-server
jar=${FLINK_JAR:-$HOME/.apache_beam/cache/jars/$artifact-$beam.jar}
if [[ ! -f $jar ]]; then
    [[ -z ${FLINK_JAR:-} ]] || { echo "flink: FLINK_JAR=$jar: no such file. Expected Beam's job server for Flink." >&2; exit 2; }
    skip "no $jar. Get it from Maven Central: mvn dependency:copy -Dartifact=org.apache.beam:$artifact:$beam -DoutputDirectory=$(dirname "$jar")"
fi

scratch=$(mktemp -d)
server=
stop() {
    [[ -z $server ]] || { kill "$server" 2>/dev/null && wait "$server" || true; }
    rm -rf "$scratch"
}
trap stop EXIT
port=$(python -c 'import socket; s = socket.socket(); s.bind(("localhost", 0)); print(s.getsockname()[1])')
"$java" -jar "$jar" --flink-master '[local]' --job-host localhost --job-port "$port" --artifact-port 0 --expansion-port 0 \
    --artifacts-dir "$scratch/staged" >"$scratch/server.log" 2>&1 &
server=$!
for _ in $(seq 120); do
    if (exec 3<>"/dev/tcp/localhost/$port") 2>/dev/null; then break; fi
    kill -0 "$server" 2>/dev/null || { echo "flink: the job server left at once:" >&2; tail -n 20 "$scratch/server.log" >&2; exit 1; }
    sleep 0.5
done

# A repository of its own, so that neither artifacts nor runs of this one change.
mkdir "$scratch/repository"
cp -r dvc.yaml pipelines schemas "$scratch/repository"
mkdir "$scratch/repository/data"
cp -r data/penguins "$scratch/repository/data"
cat >"$scratch/repository/params.yaml" <<YAML
pipelines:
  penguins: {data: data/penguins, recipe: recipes/tabular}
seed: 7
beam:
  runner: PortableRunner
  options: {job_endpoint: "localhost:$port", environment_type: LOOPBACK}
YAML
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} TENSORLINE_WARM=0
cd "$scratch/repository"
for stage in ingest validate transform tune train evaluate; do
    python -m "components.$stage" penguins
done
echo "flink: penguins ran on Flink: validate, transform and evaluate through the job server $(basename "$jar")"
