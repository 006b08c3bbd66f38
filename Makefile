# shipit. `make` leaves the program at ./shipit, everything else is under .build/.
#
#   make            the program            make check   all tests
#   make demo       see it work            make soak    the long tests
#   make deps       install what building and testing need (only what is missing)
#   make install    PREFIX=/usr/local DESTDIR=
#   V=1 shows the commands; CC, CFLAGS, LDFLAGS as usual; BUILD= another folder for objects.

VERSION  = 0.1.0
PREFIX  ?= /usr/local
BUILD   ?= .build
PROGRAM ?= shipit
MANDIR  ?= $(PREFIX)/share/man

LIBRARIES = libssh2 libcurl jansson yaml-0.1 libcrypto libarchive \
	sqlite3 libmicrohttpd libdeflate zlib
WARNINGS  = -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla
HARDENED  = -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
CFLAGS   ?= -O2 -g
SANITIZE ?=

ifneq ($(SANITIZE),)
HARDENED  = -fPIE -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
LINK_SAN  = -fsanitize=$(SANITIZE)
else
LINK_HARD = -Wl,-z,relro,-z,now
endif
ifeq ($(shell uname -s),Darwin)
LINK_HARD =
endif

ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -DSHIPIT_VERSION='"$(VERSION)"' -I. -I$(BUILD) \
	$(WARNINGS) $(EXTRA) $(HARDENED) -pthread -MMD -MP $(PKG_CFLAGS) $(CFLAGS)
ALL_LIBS   = $(PKG_LIBS) -pthread

# Asked once, and only when something is to be built: `make deps` must work without pkg-config.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(LIBRARIES)))$(PKG_CFLAGS)
PKG_LIBS   = $(eval PKG_LIBS := $$(shell pkg-config --libs $(LIBRARIES)))$(PKG_LIBS)

ROOMS      = base inventory transport transport/ssh transport/ssh/libssh2 transport/ssh/openssh transport/registry deploy cmd cmd/ui
SOURCES   := $(filter-out cmd/main.c,$(wildcard $(ROOMS:%=%/*.c)))
OBJECTS   := $(SOURCES:%.c=$(BUILD)/%.o)
LIBRARY    = $(BUILD)/libshipit.a
UNIT      := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/*_test.c))
# Those in which a second thread runs: the others tell ThreadSanitizer nothing.
THREADED   = $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(shell grep -lE \
	'pthread_create|(engine_fake|registry_server|deploy_keeper|deploy_talk)\.h|server_start|limiter' $(wildcard tests/unit/*_test.c)))
E2E_BINS  := $(patsubst tests/e2e/%.c,$(BUILD)/tests/e2e/%,$(wildcard tests/e2e/*.c tests/e2e/session/*.c))
FUZZERS   := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))

ifeq ($(V),)
say = @printf '  %-7s %s\n'
Q   = @
else
say = @:
Q   =
endif

all: $(PROGRAM)

$(PROGRAM): $(BUILD)/cmd/main.o $(LIBRARY)
	$(say) LINK $@
	$(Q)$(CC) $(LINK_SAN) -pie $(LINK_HARD) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

$(LIBRARY): $(OBJECTS)
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/%.o: %.c
	$(say) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# What is a file of its own here and travels inside the program, as bytes: NAME.h has NAME[].
define embed
	$(say) EMBED $<
	$(Q)mkdir -p $(@D)
	$(Q){ echo 'static const unsigned char $(basename $(@F))[] = {'; \
	      od -An -v -tx1 $< | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'; echo '};'; } > $@.new
	$(Q)mv $@.new $@
endef
$(BUILD)/keeper_text.h: deploy/remote/keeper.sh
	$(embed)
$(BUILD)/deploy/keeper.o: $(BUILD)/keeper_text.h
$(BUILD)/shapes_text.h: inventory/shapes.json
	$(embed)
$(BUILD)/inventory/json_schema.o: $(BUILD)/shapes_text.h
$(BUILD)/report_css.h: cmd/ui/report.css
	$(embed)
$(BUILD)/cmd/ui/report_page.o: $(BUILD)/report_css.h

$(BUILD)/tests/%: tests/%.c $(LIBRARY)
	$(say) TEST $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LINK_SAN) -MF $@.d -o $@ $< $(LIBRARY) $(LDFLAGS) $(ALL_LIBS) -lcmocka

# Without libFuzzer the same harnesses replay their corpora.
$(BUILD)/fuzz/%: tests/fuzz/%_fuzz.c tests/fuzz/replay.c $(LIBRARY)
	$(say) FUZZ $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LINK_SAN) -MF $@.d -o $@ $< tests/fuzz/replay.c $(LIBRARY) $(LDFLAGS) $(ALL_LIBS)

unit-tests: $(UNIT) $(FUZZERS:%=$(BUILD)/fuzz/%)
threaded-tests: $(THREADED)
fuzz-tests: $(FUZZERS:%=$(BUILD)/fuzz/%)
e2e-tests: $(E2E_BINS)

check: deps
	$(Q)tests/run check

soak: deps
	$(Q)tests/run soak

lint: deps
	$(Q)tests/lint

bench: deps all
	$(Q)tests/run bench

asan:
	$(Q)$(MAKE) BUILD=.build/asan PROGRAM=.build/asan/shipit SANITIZE=address,undefined CFLAGS='-O1 -g' all

tsan:
	$(Q)$(MAKE) BUILD=.build/tsan PROGRAM=.build/tsan/shipit SANITIZE=thread CFLAGS='-O1 -g' all

demo: deps
	$(Q)$(MAKE) all
	$(Q)examples/hello/demo up

demo-down:
	$(Q)examples/hello/demo down

deps:
	$(Q)tests/deps

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5
	install -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/shipit
	install -m 644 docs/shipit.1 $(DESTDIR)$(MANDIR)/man1/
	install -m 644 docs/shipit.yml.5 $(DESTDIR)$(MANDIR)/man5/

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/shipit $(DESTDIR)$(MANDIR)/man1/shipit.1 \
	    $(DESTDIR)$(MANDIR)/man5/shipit.yml.5

clean:
	rm -rf .build shipit

.PHONY: all unit-tests threaded-tests fuzz-tests e2e-tests check soak lint bench asan tsan demo demo-down deps install \
	uninstall clean
.SECONDARY:
.DELETE_ON_ERROR:

-include $(OBJECTS:.o=.d) $(BUILD)/cmd/main.d $(UNIT:=.d) $(E2E_BINS:=.d) $(FUZZERS:%=$(BUILD)/fuzz/%.d)
