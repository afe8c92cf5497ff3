# Starts Redis with the password of the environment, which never stands on a command line.
set -eu
umask 077
{ cat /etc/redis/redis.conf; printf 'requirepass "%s"\n' "$REDIS_PASSWORD"; } >/tmp/redis.conf
exec redis-server /tmp/redis.conf
