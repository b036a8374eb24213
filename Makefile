# SPDX-License-Identifier: Apache-2.0
#
#   make [CC=clang] [WERROR=1] [SAN=address|thread]
#   make help       the other targets
#
# Everything made is under build/; each sanitizer has a tree of its own there.

.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

SAN ?=
PREFIX ?= /usr/local
DESTDIR ?=
PKG_CONFIG ?= pkg-config
MODULESDIR ?= $(shell $(PKG_CONFIG) --variable=modulesdir libcrypto)
INSTALL ?= install
CLANG_FORMAT ?= clang-format
CLANG_TIDY ?= clang-tidy
CPPCHECK ?= cppcheck

# make speed
ALG ?= aes-128-cbc
BYTES ?= 16384
JOBS ?= 64
SECONDS ?= 3

ifeq ($(SAN),)
B := build
CFLAGS ?= -O2 -g
SAN_FLAGS :=
HARDEN := -D_FORTIFY_SOURCE=2 -fstack-protector-strong
# Not with a sanitizer: there the module leaves its runtime to the program.
MODULE_DEFS := -Wl,-z,defs
else ifeq ($(SAN),address)
B := build/asan
CFLAGS ?= -O1 -g
SAN_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
else ifeq ($(SAN),thread)
B := build/tsan
CFLAGS ?= -O1 -g
SAN_FLAGS := -fsanitize=thread -fno-omit-frame-pointer
else ifeq ($(SAN),fuzz)
# The programs of test/fuzz only, see there.
B := build/fuzz
CC := clang
CFLAGS ?= -O1 -g
SAN_FLAGS := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer
else
$(error SAN is "$(SAN)"; it can be address (with undefined) or thread)
endif

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wvla
STD := -std=gnu11 -D_GNU_SOURCE
INCLUDE := -Iinclude -Ihw -Iprovider
TEST_INCLUDE := -Itest/support
PKG_CFLAGS := $(strip $(shell $(PKG_CONFIG) --cflags libcrypto 2>/dev/null) \
	$(shell $(PKG_CONFIG) --cflags libpci 2>/dev/null))
PCI_LIBS := $(shell $(PKG_CONFIG) --libs libpci 2>/dev/null || echo -lpci)
CRYPTO_LIBS := $(shell $(PKG_CONFIG) --libs libcrypto 2>/dev/null || echo -lcrypto)
TEST_LIBS = $(shell $(PKG_CONFIG) --libs check) -lssl $(CRYPTO_LIBS) $(HW_LIBS) -ldl

# The emulator's engines beside libcrypto, each where its library is: all that
# is empty without. Debian 12 has no .pc file of it.
ifneq ($(IPSEC_MB),no)
IPSEC_MB_VERSION := $(shell $(CC) $(CPPFLAGS) -E -dM -include intel-ipsec-mb.h -x c /dev/null 2>/dev/null | \
	sed -n 's/^.define IMB_VERSION_STR "\(.*\)"/\1/p')
endif
comma := ,
ifneq ($(CRYPTO_MB),no)
CRYPTO_MB_VERSION := $(shell $(CC) $(CPPFLAGS) -DBN_OPENSSL_DISABLE -E -dM -include crypto_mb/ec_nistp521.h \
	-include crypto_mb/version.h -x c /dev/null 2>/dev/null | \
	sed -n 's/^.define MBX_INTERFACE_VERSION_MAJOR *//p')
endif
ENGINE_DEFS := $(if $(IPSEC_MB_VERSION),-DVCRYPTO_IPSEC_MB) $(if $(CRYPTO_MB_VERSION),-DVCRYPTO_CRYPTO_MB)
ENGINE_LIBS := $(if $(IPSEC_MB_VERSION),-lIPSec_MB) $(if $(CRYPTO_MB_VERSION),-lcrypto_mb)
ENGINE_NAMES := libcrypto$(if $(IPSEC_MB_VERSION),$(comma) IPsec-MB $(IPSEC_MB_VERSION))$(if \
	$(CRYPTO_MB_VERSION),$(comma) crypto_mb $(CRYPTO_MB_VERSION))
NOT_BUILT := $(if $(IPSEC_MB_VERSION),,hw/emulator/engine_ipsec_mb%) \
	$(if $(CRYPTO_MB_VERSION),,hw/emulator/engine_crypto_mb%)
HW_LIBS := $(PCI_LIBS) $(ENGINE_LIBS)

COMPILE = $(CC) $(STD) $(INCLUDE) $(PKG_CFLAGS) $(ENGINE_DEFS) $(CPPFLAGS) $(WARN) $(if $(WERROR),-Werror) \
	-fPIC -fno-semantic-interposition -pthread $(HARDEN) $(SAN_FLAGS) $(CFLAGS) -MMD -MP
LINK = $(CC) -pthread $(SAN_FLAGS) $(CFLAGS) $(LDFLAGS) -Wl,-z,relro -Wl,-z,now

# V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@echo '  $(1) $(2)')

O := $(B)/obj
objects = $(patsubst %.c,$(O)/%.o,$(1))

HW_SRC := $(sort $(filter-out $(NOT_BUILT),$(wildcard hw/*.c hw/emulator/*.c)))
PROVIDER_SRC := $(sort $(wildcard provider/*.c))
PROBE_SRC := $(sort $(wildcard provider/probe/*.c))

# A test group is a folder; each C file in it is one check program, and what is
# in support/ of it or of test/ is shared. Groups that need the provider reach it
# as applications do, by loading the built module.
GROUPS := unit pci async evp tls fault
# What a sanitizer must be told of OpenSSL's fibres: linked into the programs,
# and preloaded into the openssl command.
FIBRE_SRC := $(addprefix test/support/fibre_,$(patsubst address,asan.c,$(patsubst thread,tsan.c,$(SAN))))
FIBRE_SRC := $(filter %.c,$(FIBRE_SRC))
SUPPORT_SRC := $(sort $(filter-out test/support/fibre_%,$(wildcard test/support/*.c $(GROUPS:%=test/%/support/*.c))))
TEST_SRC := $(sort $(wildcard $(GROUPS:%=test/%/*.c)))
TEST_SH := $(sort $(wildcard $(GROUPS:%=test/%/*.sh) test/cli/*.sh test/model/*.sh))
TEST_PROGRAMS := $(TEST_SRC:%.c=$(B)/%)
# One engine against another, with nothing around them.
ENGINE_BENCH := test/bench/engines/engines
# make bench: the loop and the work are the probe's.
BENCH_OBJ = $(call objects,$(sort $(wildcard test/bench/*.c)) provider/probe/jobs.c provider/probe/work.c)
# These run in the guest only.
GUEST_SRC := $(sort $(wildcard test/guest/*.c))
GUEST_PROGRAMS := $(GUEST_SRC:%.c=$(B)/%)

# TEST=test/evp/gcm (with or without .c, .sh) or TEST=test/evp: those only.
TESTS := $(TEST_SRC:.c=) $(TEST_SH)
ifdef TEST
SELECTED := $(foreach t,$(patsubst %/,%,$(TEST:.c=)),$(filter $(t) $(t).sh $(t)/%,$(TESTS)))
else
SELECTED := $(TESTS)
endif

C_FILES := $(wildcard include/*.h hw/*.[ch] hw/emulator/*.[ch] provider/*.[ch] provider/probe/*.[ch] test/*/*.[ch] \
	test/*/*/*.[ch])
SH_FILES := test/run test/speed.sh .ci/run $(wildcard test/*/*.sh)

.PHONY: all
all: $(B)/vcrypto.so $(B)/vcrypto-probe $(B)/openssl.cnf
	$(call say,engines:,$(ENGINE_NAMES))

$(B)/vcrypto.so: $(call objects,$(HW_SRC) $(PROVIDER_SRC)) provider/exports.map
	$(call say,LD,$@)
	$(Q)$(LINK) -shared -Wl,--version-script=provider/exports.map $(MODULE_DEFS) \
		-Wl,-z,nodelete -o $@ $(filter %.o,$^) $(CRYPTO_LIBS) $(HW_LIBS)

# A program of its own, with all of the module in it.
$(B)/vcrypto-probe: $(call objects,$(PROBE_SRC) $(HW_SRC) $(PROVIDER_SRC) $(FIBRE_SRC))
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^ $(CRYPTO_LIBS) $(HW_LIBS)

$(B)/openssl.cnf: openssl.cnf.sample
	@mkdir -p $(@D)
	$(Q)sed 's|^module = .*|module = $(abspath $(B))/vcrypto.so|' $< > $@

# What all objects are made with; rewritten only when it changes.
.PHONY: always
$(O)/flags: always
	@mkdir -p $(@D)
	@echo '$(COMPILE) $(LINK)' | cmp -s - $@ || echo '$(COMPILE) $(LINK)' > $@

$(O)/%.o: %.c $(O)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(COMPILE) $(if $(filter test/%,$<),$(TEST_INCLUDE)) $(if $(filter test/bench/%,$<),-Iprovider/probe) -c -o $@ $<

# Archives, so that a test program takes only what it uses; "q" keeps members
# of the same name.
$(O)/libhw.a: $(call objects,$(HW_SRC))
$(O)/libsupport.a: $(call objects,$(SUPPORT_SRC))
$(O)/%.a:
	$(Q)rm -f $@
	$(Q)$(AR) qcs $@ $^

FIBRE_OBJ := $(call objects,$(FIBRE_SRC))
$(FIBRE_OBJ): SAN_FLAGS :=
$(B)/fibre.so: $(FIBRE_OBJ)
	$(Q)$(LINK) -shared -o $@ $^

$(TEST_PROGRAMS): $(B)/%: $(O)/%.o $(FIBRE_OBJ) $(O)/libsupport.a $(O)/libhw.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^ $(TEST_LIBS)

# Of the provider, which is else a module.
$(B)/test/unit/der: $(call objects,provider/der.c)

$(B)/bench/bench: $(BENCH_OBJ) $(FIBRE_OBJ)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^ $(CRYPTO_LIBS) -lm

$(B)/bench/engines: $(O)/$(ENGINE_BENCH).o $(O)/libhw.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^ $(CRYPTO_LIBS) $(HW_LIBS)

$(GUEST_PROGRAMS): $(B)/%: $(O)/%.o $(O)/libhw.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^ $(CRYPTO_LIBS) $(HW_LIBS)

.SECONDARY:
-include $(patsubst %.c,$(O)/%.d,$(HW_SRC) $(PROVIDER_SRC) $(PROBE_SRC) $(SUPPORT_SRC) $(FIBRE_SRC) $(TEST_SRC) \
	$(GUEST_SRC) $(wildcard test/bench/*.c) $(ENGINE_BENCH).c)

.PHONY: tests
tests: all $(FIBRE_SRC:%=$(B)/fibre.so) $(TEST_PROGRAMS) $(B)/bench/bench $(B)/bench/engines

.PHONY: check
check: all $(FIBRE_SRC:%=$(B)/fibre.so) $(B)/bench/bench $(filter $(SELECTED:%=$(B)/%),$(TEST_PROGRAMS))
	@CC='$(CC)' MAKE='$(MAKE)' test/run --build $(B) --san '$(SAN)' $(SELECTED)

include test/fuzz/fuzz.mk

# CASE=transport: that one only, see test/guest.
.PHONY: check-pci
check-pci: all $(GUEST_PROGRAMS)
	@test/guest/run.sh --build $(B) $(CASE)

# In a Debian 13 root, see there.
.PHONY: check-debian13
check-debian13:
	@test/debian13/run.sh $(TEST)

# Each fault until it has struck so often; ends with the table. FAULT_ROW=late:
# the rows with that in their name.
FAULT_HITS ?= 10000
FAULT_EVENTS ?= 1000
.PHONY: check-fault
check-fault: all $(FIBRE_SRC:%=$(B)/fibre.so) $(addprefix $(B)/test/fault/,exhaustion matrix)
	@FAULT_STEP=1 OPENSSL_CONF=/dev/null VCRYPTO_MODULE_DIR='$(abspath $(B))' \
		$(B)/test/fault/exhaustion
	@FAULT_HITS=$(FAULT_HITS) FAULT_EVENTS=$(FAULT_EVENTS) FAULT_SECONDS=3600 OPENSSL_CONF=/dev/null \
		VCRYPTO_MODULE_DIR='$(abspath $(B))' CK_VERBOSITY=normal $(B)/test/fault/matrix

# All algorithms, many jobs, connections, forks, and faults at random.
SOAK_MINUTES ?= 30
.PHONY: soak
soak: all $(FIBRE_SRC:%=$(B)/fibre.so) $(B)/test/fault/soak
	@SOAK_MINUTES=$(SOAK_MINUTES) OPENSSL_CONF=/dev/null VCRYPTO_SAN='$(SAN)' \
		VCRYPTO_MODULE_DIR='$(abspath $(B))' CK_VERBOSITY=normal $(B)/test/fault/soak

.PHONY: speed
speed: all
	@test/speed.sh $(B) $(ALG) $(BYTES) $(JOBS) $(SECONDS)

.PHONY: bench
bench: all $(B)/bench/bench
	@$(B)/bench/bench $(abspath $(B))/vcrypto.so $(B)/bench

.PHONY: bench-engines
bench-engines: $(B)/bench/engines
	@$<

.PHONY: install
install: all
	$(INSTALL) -d $(DESTDIR)$(MODULESDIR) $(DESTDIR)$(PREFIX)/bin \
		$(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man7 \
		$(DESTDIR)$(PREFIX)/share/doc/vcrypto
	$(INSTALL) -m 644 $(B)/vcrypto.so $(DESTDIR)$(MODULESDIR)/vcrypto.so
	$(INSTALL) -m 755 $(B)/vcrypto-probe $(DESTDIR)$(PREFIX)/bin/vcrypto-probe
	$(INSTALL) -m 644 doc/vcrypto-probe.1 $(DESTDIR)$(PREFIX)/share/man/man1/vcrypto-probe.1
	$(INSTALL) -m 644 doc/vcrypto.7 $(DESTDIR)$(PREFIX)/share/man/man7/vcrypto.7
	$(INSTALL) -m 644 openssl.cnf.sample README LICENSE $(DESTDIR)$(PREFIX)/share/doc/vcrypto

.PHONY: format format-check
format:
	@$(CLANG_FORMAT) -i $(C_FILES)
format-check:
	@$(CLANG_FORMAT) --dry-run --Werror $(C_FILES)

# Each finding is an error. One clang-tidy per file, as many as there are CPUs.
TIDY_FLAGS := $(STD) $(INCLUDE) $(TEST_INCLUDE) -Iprovider/probe $(PKG_CFLAGS) $(ENGINE_DEFS) $(WARN)
.PHONY: analyze analyze-tidy analyze-cppcheck analyze-shell analyze-man
analyze: analyze-tidy analyze-cppcheck analyze-shell analyze-man
analyze-tidy:
	@printf '%s\n' $(filter-out $(NOT_BUILT),$(filter %.c,$(C_FILES))) | xargs -P $$(nproc) -I{} \
		$(CLANG_TIDY) --quiet --warnings-as-errors='*' {} -- $(TIDY_FLAGS)
# Without system headers: it has its own descriptions of those libraries. It
# would have readdir_r, which is deprecated, and takes what a function of an
# OSSL_FUNC_..._fn type returns for an integer, which the compiler would not.
CPPCHECK_FLAGS := --quiet --std=c11 --error-exitcode=1 --inline-suppr \
	--library=posix,gnu,test/cppcheck.cfg --enable=warning,performance,portability \
	--suppress=readdirCalled --suppress=CastIntegerToAddressAtReturn -D_GNU_SOURCE
analyze-cppcheck:
	@$(CPPCHECK) $(CPPCHECK_FLAGS) -j $$(nproc) $(INCLUDE) $(TEST_INCLUDE) -Iprovider/probe $(filter %.c,$(C_FILES))
analyze-shell:
	@shellcheck -x -P SCRIPTDIR $(SH_FILES)
analyze-man:
	@mandoc -Tlint -W warning doc/vcrypto.7 doc/vcrypto-probe.1

.PHONY: clean
clean:
	rm -rf build

.PHONY: help
help:
	@echo 'all            build/vcrypto.so, build/vcrypto-probe, build/openssl.cnf (the default)'
	@echo 'speed          openssl speed with and without vcrypto; ALG BYTES JOBS SECONDS'
	@echo 'bench          build/bench: a table, bench.csv, bench.svg; BENCH_SECONDS BENCH_PAIRS'
	@echo '               BENCH_SECTIONS BENCH_ALGS BENCH_SIZES BENCH_JOBS BENCH_CONFIG'
	@echo 'bench-engines  the engines of the emulator beside each other, ns per operation'
	@echo 'check          the tests; SAN=address|thread, TEST=test/GROUP[/NAME]'
	@echo 'check-pci      the tests in a guest with real functions of QEMU; CASE=NAME...'
	@echo 'check-debian13 builds and tests in a Debian 13 root; TEST=...; as root'
	@echo 'check-fault    the fault matrix at length; FAULT_HITS FAULT_EVENTS'
	@echo 'soak           all of it with faults at random; SOAK_MINUTES'
	@echo 'fuzz           libFuzzer programs, FUZZ_SECONDS each; FUZZ=NAME... (clang)'
	@echo 'install        DESTDIR PREFIX MODULESDIR'
	@echo 'format         clang-format over all sources; format-check only looks'
	@echo 'analyze        clang-tidy, cppcheck, shellcheck, mandoc; findings are errors'
	@echo 'clean          removes build/'
	@echo 'IPSEC_MB=no    builds without that library where it is there; CRYPTO_MB=no likewise'
	@echo 'CC=clang, WERROR=1 and V=1 go with all of them.'
