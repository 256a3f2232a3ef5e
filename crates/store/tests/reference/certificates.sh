#!/bin/sh
# Makes the certificates of the tests again, in ../fixtures/tls: an authority, a server's certificate for localhost that it has
# signed, and another authority. Valid for a hundred years. The keys of the authorities are not kept.
set -eu
cd "$(dirname "$0")/../fixtures/tls"
authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj "/CN=$1" \
        -keyout "$1.key" -out "$1.pem" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
}
authority authority
authority other_authority
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=localhost" -keyout server.key -out server.csr
printf 'subjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n' >server.ext
openssl x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 36500 -extfile server.ext -out server.pem
rm -f authority.key other_authority.key server.csr server.ext authority.srl
