#!/bin/sh
# Makes onrecordpb/ from the contract. Needs protoc, and protoc-gen-go and protoc-gen-go-grpc in the PATH:
#   go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.11
#   go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@latest
set -eu
cd "$(dirname "$0")"
module=example.com/onrecord
files=$(cd ../../proto && echo onrecord/v1/*.proto)
# the contract names no Go package, so say which
options="--go_opt=module=$module --go-grpc_opt=module=$module"
for file in $files; do
  options="$options --go_opt=M$file=$module/onrecordpb --go-grpc_opt=M$file=$module/onrecordpb"
done
# shellcheck disable=SC2086 # words are what they are to be split into
protoc -I ../../proto -I ../proto --go_out=. --go-grpc_out=. $options $files
