# `make help` lists targets and variables. Every variant (another compiler, CPU, optimisation,
# sanitizer) has a directory of its own, so objects never mix. GNU make 3.81 or newer.

CORES := $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(CORES)  # a -j on the command line wins
endif
ifneq ($(filter clean,$(MAKECMDGOALS)),)
.NOTPARALLEL:  # `make clean all`: one after the other
endif
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:

# ---- Variables that may be set on the command line
DEFAULT_CXX := $(if $(filter Linux,$(shell uname -s)),g++,c++)
ifeq ($(origin CXX),default)
CXX := $(DEFAULT_CXX)
endif
ARCH := native
SANITIZE :=
DEFAULT_OPT := $(if $(SANITIZE),-O1,-O3)
OPT := $(DEFAULT_OPT)
PREFIX := /usr/local
DESTDIR :=
ARGS :=
T :=
V :=

# ---- Where this variant lives: build/, or build/<all that differs from the defaults>/
comma := ,
empty :=
space := $(empty) $(empty)
VARIANT := $(filter-out $(DEFAULT_CXX),$(notdir $(CXX))) $(filter-out native,$(ARCH)) \
           $(patsubst -%,%,$(filter-out $(DEFAULT_OPT),$(OPT))) $(subst $(comma),+,$(SANITIZE))
B := build$(addprefix /,$(subst $(space),-,$(strip $(VARIANT))))

# ---- Flags. -ffp-contract=off and never -ffast-math: the same bits from every build rest on it
COMPILER := $(shell $(CXX) --version 2>/dev/null | head -n 1; $(CXX) -dumpmachine 2>/dev/null)
ON_ARM := $(filter aarch64-% arm64-%,$(COMPILER))
CPU := $(if $(and $(ON_ARM),$(filter native,$(ARCH))),-mcpu=native,-march=$(ARCH))
# -Wrestrict of g++ 12 cries wolf over std::string (its bug 105651).
WARN := -Wall -Wextra $(if $(findstring clang,$(COMPILER)),-Wshadow,-Wno-restrict)
SAFE := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all \
          -fno-omit-frame-pointer -g -DHEED_NO_POOL)
COMPILE := $(CXX) -std=c++20 $(CPU) -ffp-contract=off -fno-math-errno -fno-trapping-math \
           $(WARN) -pthread -I. -Ilayers $(SAFE) $(CPPFLAGS) $(CXXFLAGS)
LINK := $(CXX) -pthread $(SAFE) $(CXXFLAGS) $(LDFLAGS)
# Tests meet fresh storage full of NaN. For a short wait they are built at -O1, but for kernels.
LOW_OPT := $(if $(filter -O0,$(OPT)),-O0,-O1)
TEST_FLAGS := -DHEED_TEST -DDOCTEST_CONFIG_SUPER_FAST_ASSERTS

# ---- Sources
# Free of the number type: compiled once. All others twice, for float and for double.
PLAIN_SOURCES := autograd/parallel.cpp autograd/random.cpp autograd/exact_math.cpp \
                 autograd/pool.cpp autograd/safetensors.cpp
# Hot, and slow to compile. At the other end, where the time goes to the library: -O1, so that
# a changed lesson starts soon. (Lesson 00 has kernels of its own.)
KERNELS := autograd/gemm.cpp autograd/elementwise.cpp
COLD := autograd/safetensors.cpp lessons/support/%.cpp \
        $(filter-out lessons/00_%,$(wildcard lessons/*/main.cpp))

SOURCES := $(wildcard autograd/*.cpp layers/*.cpp optim/*.cpp)
PLAIN := $(filter $(PLAIN_SOURCES),$(SOURCES))
TYPED := $(filter-out $(PLAIN),$(SOURCES))
ifneq ($(words $(sort $(notdir $(SOURCES)))),$(words $(SOURCES)))
$(error two sources of the library have one name, and ar would keep one of them: $(SOURCES))
endif
SUPPORT := $(wildcard lessons/support/*.cpp)
# For most sources the work is in reading the same headers, so they are compiled as one: that
# halves the whole build. Clang compiles each alone, and so sees that it includes what it uses.
TOGETHER := $(if $(findstring clang,$(COMPILER)),,$(filter-out $(KERNELS),$(TYPED)))
ALONE := $(filter-out $(TOGETHER),$(TYPED))
# What most tests of tensors include is compiled once, too: a fifth of the time that they take.
COMMON := $(if $(TOGETHER),doctest/doctest.h tests/expect_error.h tests/golden.h autograd/ops.h \
            autograd/graph.h autograd/parallel.h autograd/random.h)
LESSONS := $(notdir $(patsubst %/main.cpp,%,$(wildcard lessons/[0-9][0-9]_*/main.cpp)))
NUMBERS := $(foreach lesson,$(LESSONS),$(firstword $(subst _, ,$(lesson))))
PROGRAMS := $(NUMBERS:%=$(B)/lesson-%)
BENCHES := $(patsubst tests/bench/%.cpp,$(B)/bench/%,$(filter-out tests/bench/peer_%,\
             $(wildcard tests/bench/*.cpp)))
# Tests that the number type cannot touch run once.
TESTS := $(wildcard tests/test_*.cpp)
PLAIN_TESTS := $(filter tests/test_readme.cpp tests/test_lessons.cpp tests/test_support.cpp \
                 tests/test_corpus.cpp tests/test_dates.cpp tests/test_bleu.cpp \
                 tests/test_pairs.cpp tests/test_build.cpp tests/test_safetensors.cpp \
                 tests/test_random.cpp tests/test_exact_math.cpp tests/test_simd.cpp \
                 tests/test_parallel.cpp tests/test_mutants.cpp,$(TESTS))
TYPED_TESTS := $(filter-out $(PLAIN_TESTS),$(TESTS))
# So do these, which have tensors but no business with their precision.
ONCE_TESTS := $(PLAIN_TESTS) $(filter tests/test_writing.cpp tests/test_checkpoint.cpp \
                tests/test_translation.cpp tests/test_pairs_06.cpp,$(TESTS))

# ---- Objects: build/obj/autograd/gemm.f32.o, gemm.f64.o, pool.o; the tests' in build/obj/test
typed_objects = $(if $(TOGETHER),$1/together.$2.o) $(ALONE:%.cpp=$1/%.$2.o)
objects = $(call typed_objects,$1,f32) $(call typed_objects,$1,f64) $(PLAIN:%.cpp=$1/%.o)
LIBRARY := $(call objects,$(B)/obj)
# (HEED_TEST changes nothing in elementwise.cpp.)
TEST_LIBRARY := $(subst test/autograd/elementwise,autograd/elementwise,\
                  $(call objects,$(B)/obj/test))
SUPPORT_OBJECTS := $(if $(TOGETHER),$(B)/obj/support.o,$(SUPPORT:%.cpp=$(B)/obj/%.o))
TESTS_F32 := $(TESTS:%.cpp=$(B)/obj/test/%.f32.o)
TESTS_ONCE := $(ONCE_TESTS:%.cpp=$(B)/obj/test/%.f32.o)
TESTS_F64 := $(patsubst %.cpp,$(B)/obj/test/%.f64.o,$(filter-out $(ONCE_TESTS),$(TESTS)))
MAIN := $(B)/obj/test/tests/main.o

all: $(B)/libheed.a $(PROGRAMS)
.PHONY: all run test mutants where bits exhaustive bench results readme expected install clean help

# One short line a command; V=1 shows the command itself.
quiet = $(if $(V),,@echo '  $1' &&)
level = $(if $(filter $(COLD),$<),$(LOW_OPT),$(OPT))
test_level = $(if $(filter $(KERNELS),$<),$(OPT),$(LOW_OPT))
link = $(LINK) $(filter %.o,$^) $(filter %.a,$^) -o $@

# Rewritten only when a setting or the compiler changes; every object depends on it.
SETTINGS := $(COMPILER) $(COMPILE) $(OPT) $(LINK) $(LOW_OPT) $(TEST_FLAGS) $(KERNELS) $(COLD) \
            $(TOGETHER) $(COMMON) $(SUPPORT)
.PHONY: FORCE
$(B)/settings: FORCE
	@mkdir -p $(@D); echo '$(SETTINGS)' | cmp -s - $@ || echo '$(SETTINGS)' > $@

# $1: directory, $2: the end of the objects' names, $3: flags, $4: variable with the level,
# $5: what to say
define object_rules
$1/%$2: %.cpp $(B)/settings
	$$(call quiet,$$<$5)mkdir -p $$(@D) && \
	  $(COMPILE) $$($4) $3 $$(common) -MMD -MP -c $$< -o $$@
$1/together$2: $(TOGETHER) $(B)/settings
	$$(call quiet,$(words $(TOGETHER)) small sources$5)mkdir -p $$(@D) && \
	  $(COMPILE) $$($4) $3 $(TOGETHER:%=-include %) -MMD -MP -x c++ -c /dev/null -o $$@
endef
define test_rules
$(call object_rules,$(B)/obj/test,.$1.o,$2,test_level,$3)
ifneq ($(COMMON),)
$(B)/obj/test/common.$1.h.gch: $(B)/settings
	$$(call quiet,headers of tests$3)mkdir -p $$(@D) && \
	  $(COMPILE) $(LOW_OPT) $2 $(COMMON:%=-include %) -MMD -MP -x c++-header -c /dev/null -o $$@
$(TYPED_TESTS:%.cpp=$(B)/obj/test/%.$1.o): common = -include $(B)/obj/test/common.$1.h
$(TYPED_TESTS:%.cpp=$(B)/obj/test/%.$1.o): $(B)/obj/test/common.$1.h.gch
endif
endef
$(eval $(call test_rules,f32,$(TEST_FLAGS),  (tests)))
$(eval $(call test_rules,f64,$(TEST_FLAGS) -DHEED_DOUBLE,  (tests in double)))
$(eval $(call object_rules,$(B)/obj/test,.o,$(TEST_FLAGS),test_level,  (tests)))
$(eval $(call object_rules,$(B)/obj,.f32.o,,level))
$(eval $(call object_rules,$(B)/obj,.f64.o,-DHEED_DOUBLE,level,  (double)))
$(eval $(call object_rules,$(B)/obj,.o,,level))
$(B)/obj/support.o: $(SUPPORT) $(B)/settings
	$(call quiet,$(words $(SUPPORT)) sources of lessons/support)mkdir -p $(@D) && \
	  $(COMPILE) $(LOW_OPT) $(SUPPORT:%=-include %) -MMD -MP -x c++ -c /dev/null -o $@

$(B)/libheed.a: $(LIBRARY)
$(B)/libheed-test.a: $(TEST_LIBRARY)
$(B)/libheed.a $(B)/libheed-test.a:
	$(call quiet,$@)rm -f $@ && ar rcs $@ $(filter %.o,$^)

# ---- Lessons: lessons/01_name/main.cpp is built as build/lesson-01 and run by `make lesson-01`
# A source beside it whose name ends in _double is built in double and linked with it.
lesson_objects = $(B)/obj/lessons/$1/main.o \
  $(patsubst %.cpp,$(B)/obj/%.f64.o,$(wildcard lessons/$1/*_double.cpp))
define lesson
$(B)/lesson-$1: $(call lesson_objects,$2) $(SUPPORT_OBJECTS) $(B)/libheed.a
	$$(call quiet,$$@)$$(link)
lesson-$1: $(B)/lesson-$1
	@$$< $$(ARGS)
.PHONY: lesson-$1
endef
$(foreach name,$(LESSONS),$(eval $(call lesson,$(firstword $(subst _, ,$(name))),$(name))))
# Several at once run in order, or their texts would be mixed.
before :=
$(foreach goal,$(sort $(filter $(NUMBERS:%=lesson-%),$(MAKECMDGOALS))),\
  $(eval $(goal): | $(before))$(eval before := $(goal)))

run: $(PROGRAMS)
	@set -e; for program in $(PROGRAMS); do echo; echo "==== $$program"; $$program; done

# ---- Tests: `make test` runs all, `make test T=gru` those of tests/test_gru.cpp
$(B)/tests-once: $(MAIN) $(TESTS_ONCE)
$(B)/tests-float: $(MAIN) $(filter-out $(TESTS_ONCE),$(TESTS_F32))
$(B)/tests-double: $(MAIN) $(TESTS_F64)
one_test = $(MAIN) $(B)/obj/test/tests/test_%.$1.o $(SUPPORT_OBJECTS)
$(PLAIN_TESTS:tests/test_%.cpp=$(B)/tests-%-float): $(B)/tests-%-float: $(call one_test,f32) \
  $(PLAIN:%.cpp=$(B)/obj/test/%.o)
	$(call quiet,$@)$(link)
$(B)/tests-%-float: $(call one_test,f32) $(B)/libheed-test.a
	$(call quiet,$@)$(link)
$(B)/tests-%-double: $(call one_test,f64) $(B)/libheed-test.a
	$(call quiet,$@)$(link)
# Which it starts.
$(B)/tests-pairs-float: | $(B)/lesson-04
$(B)/tests-pairs_06-float: | $(B)/lesson-06
$(B)/tests-once $(B)/tests-float $(B)/tests-double: $(SUPPORT_OBJECTS) $(B)/libheed-test.a
	$(call quiet,$@)$(link)

ifeq ($(T),)
TEST_PROGRAMS := $(B)/tests-once $(B)/tests-float $(B)/tests-double
else
ifeq ($(wildcard tests/test_$(T).cpp),)
$(error no tests/test_$(T).cpp; T may be: $(TESTS:tests/test_%.cpp=%))
endif
TEST_PROGRAMS := $(B)/tests-$(T)-float \
  $(if $(filter tests/test_$(T).cpp,$(ONCE_TESTS)),,$(B)/tests-$(T)-double)
endif
# What the tests that start other programs (lessons, compiler, make, nm) need to know.
FOR_TESTS = HEED_BUILD='$(B)' HEED_SANITIZE='$(SANITIZE)' \
  HEED_COMPILE='$(CXX) -std=c++20 $(SAFE)' \
  HEED_MAKE='$(MAKE) -s --no-print-directory CXX=$(CXX) ARCH=$(ARCH) OPT=$(OPT) \
             SANITIZE=$(SANITIZE)'

# The first program runs beside the others, which run one after the other; what it says is seen as
# it comes, theirs after it. Each leaves its counts in a file; one that leaves none has crashed,
# and has failed.
run_tests = $(FOR_TESTS) HEED_TEST_COUNTS=$1.counts $1 $(ARGS)
test: $(TEST_PROGRAMS) $(if $(filter-out lessons build,$(T)),,all)
	@rm -f $(TEST_PROGRAMS:%=%.counts) $(TEST_PROGRAMS:%=%.status); \
	{ $(foreach p,$(wordlist 2,9,$(TEST_PROGRAMS)), \
	  $(call run_tests,$p) >$p.log 2>&1; echo $$? >$p.status;) :; } & \
	$(call run_tests,$(firstword $(TEST_PROGRAMS))); \
	echo $$? >$(firstword $(TEST_PROGRAMS)).status; wait; \
	passed=0; failed=0; status=0; \
	for program in $(TEST_PROGRAMS); do \
	  [ $$program = $(firstword $(TEST_PROGRAMS)) ] || cat $$program.log; \
	  [ "`cat $$program.status`" = 0 ] || status=1; \
	  counts=`cat $$program.counts 2>/dev/null || echo 0 1`; \
	  passed=$$((passed + $${counts% *})); failed=$$((failed + $${counts#* })); \
	done; \
	echo "$$passed passed, $$failed failed"; \
	[ $$status = 0 ] && [ $$failed = 0 ]

# Plants errors, one at a time, each of which a test must catch.
mutants:
	@tests/mutants $(ARGS)

# Minutes each: one hash of the weights from every build, and every float through exp, log, ...
bits:
	@unset MAKEFLAGS MFLAGS MAKELEVEL; tests/same_bits $(ARGS)
exhaustive: $(B)/exhaustive_simd
	@$<
$(B)/exhaustive_simd: $(B)/obj/tests/exhaustive_simd.f32.o $(B)/libheed.a
	$(call quiet,$@)$(link)

bench: all $(BENCHES)
	@HEED_BUILD='$(B)' tests/bench/run $(ARGS)
$(B)/bench/%: tests/bench/%.cpp $(B)/settings $(SUPPORT_OBJECTS) $(B)/libheed.a
	$(call quiet,$@)mkdir -p $(@D) && \
	  $(COMPILE) $(OPT) -MMD -MP $< $(SUPPORT_OBJECTS) $(B)/libheed.a -o $@ $(LDFLAGS)

# The texts: recorded runs (minutes), snippets in the READMEs, the lessons' expected output.
results: all
	@lessons/support/record $(B) '$(COMPILER)' $(ARGS)
readme: $(B)/tests-readme-float
	@$< --no-skip --test-case='readme: rewrite the snippets'
expected: $(B)/tests-lessons-float $(PROGRAMS)
	@$(FOR_TESTS) $< --no-skip --test-case='lessons: rewrite the expected outputs'

where:  # the directory of this variant, for tests/same_bits
	@echo $(B)

# ---- Installation: <heed.h> with all that it includes, the library, and two pkg-config files.
# The rest stays here: inline vector code (simd.h) would differ with the reader's -march.
HEADERS = $(filter %.h,$(shell $(COMPILE) -w -x c++ -MM layers/heed.h))
# Paths that would be taken apart: with a blank by pkg-config, with a quote by the shell as well.
ifneq ($(filter install,$(MAKECMDGOALS)),)
quotes = $(findstring ',$1)$(findstring ",$1)
ifneq ($(words x$(PREFIX)x$(abspath $(PREFIX)))$(call quotes,$(PREFIX)),1)
$(error PREFIX=$(PREFIX): with a blank or a quote pkg-config cannot find it; \
  install into another directory)
endif
ifneq ($(findstring ',$(DESTDIR)),)
$(error DESTDIR=$(DESTDIR): with a quote the shell cannot find it; \
  install into another directory)
endif
endif
TARGET = $(DESTDIR)$(abspath $(PREFIX))
# $1: file name, $2: what it is, $3: a flag more
pkgconfig = printf '%s\n' 'prefix=$(abspath $(PREFIX))' 'Name: $1' 'Description: $2' \
  'Version: 0.1' 'Cflags: -ffp-contract=off -pthread -I$${prefix}/include/heed$3' \
  'Libs: -L$${prefix}/lib -lheed -pthread' > '$(TARGET)/lib/pkgconfig/$1.pc'
install: $(B)/libheed.a
	@for d in lib/pkgconfig $(sort $(dir $(HEADERS:%=include/heed/%))); do \
	  install -d '$(TARGET)'/$$d || exit 1; done
	@for h in $(HEADERS); do \
	  install -m 644 $$h '$(TARGET)'/include/heed/$$h || exit 1; done
	@install -m 644 layers/heed.h '$(TARGET)/include/heed/heed.h'
	@install -m 644 $(B)/libheed.a '$(TARGET)/lib/libheed.a'
	@$(call pkgconfig,heed,attention and autograd in float)
	@$(call pkgconfig,heed-double,attention and autograd in double, -DHEED_DOUBLE)

clean:
	rm -rf build

help:
	@printf '%s\n' \
	  'make              build the library and all lessons' \
	  'make run          build and run every lesson in order; figures go to build/figures' \
	  'make lesson-NN    build and run one ($(NUMBERS:%=lesson-%)); ARGS="--seed 1"' \
	  'make test         build and run all tests; T=gru runs those of tests/test_gru.cpp' \
	  'make mutants      plant errors in the code, one by one; a test must catch each' \
	  'make bits         compare the weights of fourteen builds, which must be the same' \
	  'make exhaustive   check exp, log, tanh, sigmoid for all 2^32 floats' \
	  'make bench        measure the bars of performance on this machine' \
	  'make results      repeat the long runs that the texts quote' \
	  'make readme       copy the marked code into the READMEs' \
	  'make expected     run the lessons and renew their expected.txt' \
	  'make install      install headers and library; PREFIX=/usr/local DESTDIR=' \
	  'make clean        delete build/' \
	  '' \
	  'CXX=clang++       compiler (now: $(CXX))' \
	  'ARCH=x86-64-v3    CPU to build for (now: $(ARCH)); x86-64 runs on every 64-bit PC' \
	  'OPT=-O2           optimisation (now: $(OPT)); the results are the same at every level' \
	  'SANITIZE=address,undefined   or thread' \
	  'ARGS=...          given to the lesson or the tests;  V=1 shows the commands' \
	  '' \
	  'This variant is built in $(B)/.'

-include $(patsubst %.o,%.d,$(LIBRARY) $(TEST_LIBRARY) $(SUPPORT_OBJECTS) $(MAIN) \
  $(TESTS_F32) $(TESTS_F64) $(B)/obj/tests/exhaustive_simd.f32.o \
  $(foreach name,$(LESSONS),$(call lesson_objects,$(name)))) $(BENCHES:%=%.d) \
  $(B)/obj/test/common.f32.h.d $(B)/obj/test/common.f64.h.d
