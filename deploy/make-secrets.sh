#!/bin/sh
# Makes the secrets of compose.yaml that are missing, for user 10001 of the image alone; those that are there stay.
# sh deploy/make-secrets.sh [FOLDER]
set -eu
folder=${1:-${SECRETS_DIR:-secrets}}
umask 077
mkdir -p "$folder"

random() { openssl rand -base64 48 | tr -d '\n/+=' | cut -c1-48; }
keep() { [ -s "$folder/$1" ] || { cat >"$folder/$1.new" && mv "$folder/$1.new" "$folder/$1" && echo "made $folder/$1"; }; }

openssl rand -base64 60 | tr -d '\n' | keep secret_key
random | keep postgres_password
random | keep redis_password
openssl genpkey -algorithm ed25519 | keep statement_keys
printf 'postgresql://tillgate:%s@postgres/tillgate' "$(cat "$folder/postgres_password")" | keep database_owner_url
printf 'postgresql://tillgate_serving:%s@postgres/tillgate' "$(random)" | keep database_url
printf 'redis://:%s@redis:6379/0' "$(cat "$folder/redis_password")" | keep redis_url
if [ "$(id -u)" = 0 ]; then
  chown -R 10001 "$folder"
else
  echo "Not root: let user 10001 read $folder (sudo chown -R 10001 $folder)."
fi
