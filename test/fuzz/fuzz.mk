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
FUZZ_PARTS_device := clock hostile
FUZZ_PARTS_emulator := keys
# The module finds the fuzzer's runtime in the program.
FUZZ_LINK_evp := -rdynamic -Wl,--wrap=support_below -Wl,--wrap=_ck_assert_failed \
	-Wl,--wrap=_mark_point

fuzz-programs: all $(FUZZ_PROGRAMS)

# A program's own parts come first: they may stand in for some of hw/. They are
# no support of the tests, which would then sleep by their clock.
.SECONDEXPANSION:
$(FUZZ_PROGRAMS): $(B)/test/fuzz/%: $(O)/test/fuzz/%.o \
		$$(addprefix $(O)/test/fuzz/parts/,$$(addsuffix .o,$$(FUZZ_PARTS_$$*))) $(O)/libfuzz.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(LINK) -fsanitize=fuzzer $(FUZZ_LINK_$*) -o $@ $^ $(TEST_LIBS)

# The provider as well, for what its functions say of configurations.
$(O)/libfuzz.a: $(call objects,$(HW_SRC) $(PROVIDER_SRC) test/support/support.c)

-include $(patsubst %.c,$(O)/%.d,$(FUZZ_SRC) $(wildcard test/fuzz/parts/*.c))
endif
