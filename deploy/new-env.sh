# Writes .env for docker compose with secrets made on this machine. The gateway's key goes to the terminal only:
# the gateway holds no more than its hash.
set -euC # C: a .env that is there stays as it is
umask 077

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1; }

key="hb-first-$(random)"
cat >.env <<END
HYPERBRIDGE_KEY_SHA256=$(printf %s "$key" | sha256)
REDIS_PASSWORD=$(random)
GRAFANA_PASSWORD=$(random)
VLLM_API_KEY=$(random)
END
printf '%s\n' "Wrote .env. The gateway's key, shown this once:" "" "  $key"
