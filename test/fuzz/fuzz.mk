# SPDX-License-Identifier: Apache-2.0
#
# libFuzzer programs: one for each C file of this folder, with a folder of seeds
# of the same name. They are made with SAN=fuzz, which needs clang.
#
#   make fuzz [FUZZ_SECONDS=20] [FUZZ=device]
#
# What is found is kept in build/fuzz/found; what was fixed becomes a seed.

FUZZ_SECONDS ?= 20
FUZZ_SRC := $(sort $(wildcard test/fuzz/*.c))
FUZZ ?= $(FUZZ_SRC:test/fuzz/%.c=%)

.PHONY: fuzz fuzz-programs
fuzz:
	@$(MAKE) --no-print-directory SAN=fuzz fuzz-programs
	@FUZZ_SECONDS='$(FUZZ_SECONDS)' test/fuzz/run.sh build/fuzz $(FUZZ)

ifeq ($(SAN),fuzz)
FUZZ_PROGRAMS := $(FUZZ:%=$(B)/test/fuzz/%)
FUZZ_SUPPORT_device := clock hostile
FUZZ_SUPPORT_emulator := keys

fuzz-programs: all $(FUZZ_PROGRAMS)

# A program's own support comes first: it may stand in for parts of hw/.
.SECONDEXPANSION:
$(FUZZ_PROGRAMS): $(B)/test/fuzz/%: $(O)/test/fuzz/%.o \
		$$(addprefix $(O)/test/fuzz/support/,$$(addsuffix .o,$$(FUZZ_SUPPORT_$$*))) $(O)/libfuzz.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(LINK) -fsanitize=fuzzer $(FUZZ_LINK_$*) -o $@ $^ $(TEST_LIBS)

# The provider as well, for what its functions say of configurations.
$(O)/libfuzz.a: $(call objects,$(HW_SRC) $(PROVIDER_SRC) test/support/support.c)

-include $(patsubst %.c,$(O)/%.d,$(FUZZ_SRC) $(wildcard test/fuzz/support/*.c))
endif
