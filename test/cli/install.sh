#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# make install into a tree of its own, and a load from there.
# shellcheck source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

root=$work/root
install_all() {
    "${MAKE:-make}" -s -C "$source_dir" install SAN="$san" DESTDIR="$root" "$@" \
        >"$work/out" 2>"$work/err"
}

install_all PREFIX=/opt/vcrypto MODULESDIR=/opt/modules
report $? "install"

(cd "$root" && find . -type f | sort) >"$work/out"
expect "DESTDIR, PREFIX and MODULESDIR are honoured" diff - "$work/out" <<END
./opt/modules/vcrypto.so
./opt/vcrypto/bin/vcrypto-probe
./opt/vcrypto/share/doc/vcrypto/LICENSE
./opt/vcrypto/share/doc/vcrypto/README
./opt/vcrypto/share/doc/vcrypto/openssl.cnf.sample
./opt/vcrypto/share/man/man1/vcrypto-probe.1
./opt/vcrypto/share/man/man7/vcrypto.7
END
expect "the module is the one just built" cmp "$module_dir/vcrypto.so" "$root/opt/modules/vcrypto.so"

cp "$root/opt/vcrypto/share/doc/vcrypto/openssl.cnf.sample" "$work/openssl.cnf"
export OPENSSL_MODULES=$root/opt/modules
vssl list -providers
report $? "the sample loads the installed module as it is"
expect "vcrypto is active" grep -q '^  vcrypto$' "$work/out"
unset OPENSSL_MODULES

rm -rf "$root"
install_all
expect "by default the module goes where OpenSSL looks" \
    test -f "$root$(pkg-config --variable=modulesdir libcrypto)/vcrypto.so"
