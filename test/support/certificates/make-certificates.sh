#!/bin/sh
# Makes the certificates that the tests of outbound TLS use. They are checked in, so this runs only to replace them.
# Dates are fixed, long past and far ahead, so that the tests hold on machines whose clocks are wrong.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: > "$work/index.txt"
cat > "$work/ca.cnf" << EOF
[ca]
default_ca = test
[test]
database = $work/index.txt
new_certs_dir = $work
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
EOF

# issue <name> <X.509 extension> <not after> <more arguments of openssl ca: the issuer>
issue() {
  name=$1 extension=$2 not_after=$3
  shift 3
  openssl ecparam -name prime256v1 -genkey -noout -out "$name.key"
  openssl req -new -key "$name.key" -subj "/CN=$name" -out "$work/$name.csr"
  echo "$extension" > "$work/$name.ext"
  openssl ca -batch -notext -config "$work/ca.cnf" -in "$work/$name.csr" -extfile "$work/$name.ext" \
    -startdate 20200101000000Z -enddate "$not_after" "$@" -out "$name.pem"
}

names='subjectAltName=DNS:receiver.test,IP:127.0.0.1'
by_authority='-cert authority.pem -keyfile authority.key'
# shellcheck disable=SC2086
{
  issue authority basicConstraints=critical,CA:TRUE 21200101000000Z -selfsign -keyfile authority.key
  issue good "$names" 21200101000000Z $by_authority
  issue wrong-host subjectAltName=DNS:other.test 21200101000000Z $by_authority
  issue expired "$names" 20210101000000Z $by_authority
  issue self-signed "$names" 21200101000000Z -selfsign -keyfile self-signed.key
}
rm authority.key
