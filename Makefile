# The one door to Daybook. `make` alone says what there is.

STACK := cargo run -q -p daybook-stack --bin stack --

# The crates that do no I/O: seconds, no servers.
CORE := daybook-domain daybook-ask daybook-format daybook-wire daybook-icalendar daybook-access arbiter-core daybook-normalizer-core \
	daybook-ingest-core daybook-propagator-core daybook-fuzz

.DEFAULT_GOAL := help
# How long `make soak` fuzzes, in all.
FUZZ_SECONDS := 3600

.PHONY: help up down clean status check test test-core demo bench soak fuzz fmt linker

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: linker ## Start everything and wait until it is ready (containers where an engine answers, else processes).
	@$(STACK) up

down: linker ## Stop exactly what `make up` started; the data stays.
	@$(STACK) down

clean: linker ## Stop it and remove its data, logs and choices; downloads stay.
	@$(STACK) clean

status: linker ## Show each part of the stack: where it listens, its process, whether it is ready.
	@$(STACK) status || true

demo: linker ## Bring the stack up and take real-shaped bookings all the way through it, checking each step.
	@began=$$(date +%s); \
	$(STACK) up && cargo run -q -p daybook-tests --bin demo && \
	echo "make demo took $$(( $$(date +%s) - began )) s, building and starting included."

check: linker ## Formatting, lints, and the rules for dependencies.
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	@if command -v cargo-deny >/dev/null; then \
		echo cargo deny check bans licenses sources; cargo deny check bans licenses sources; \
	else \
		echo "cargo-deny is not installed: bans, licences and sources of dependencies were NOT checked (cargo install cargo-deny)"; \
	fi

test: linker ## Everything, on a stack of its own beside a running one; installs what it needs.
	cargo run -q -p daybook-stack --bin stack -- install --tests
	cargo build --workspace --bins
	cargo test --workspace --no-fail-fast

test-core: linker ## The pure crates only: seconds.
	cargo test $(addprefix -p ,$(CORE))

bench: linker ## Throughput as ratios against bare Kafka and bare PostgreSQL, and the memory of each service.
	cargo run -q -p daybook-stack --bin stack -- install
	cargo build --release --workspace --bins
	cargo run -q --release -p daybook-tests --bin bench

soak: linker ## The core, the simulation and the pipeline tests, with longer campaigns of faults; and an hour of `fuzz`.
	cargo run -q -p daybook-stack --bin stack -- install --tests
	cargo build --workspace --bins
	DAYBOOK_SOAK=1 cargo test -p arbiter-core -p daybook-arbiter -p daybook-tests --no-fail-fast
	tests/fuzz/run $(FUZZ_SECONDS)

fuzz: linker ## Everything that reads a stranger's bytes, led by coverage: FUZZ_SECONDS in all, an hour if not said otherwise.
	@command -v c++ >/dev/null || { echo "install g++: the engine is C++"; exit 1; }
	tests/fuzz/run $(FUZZ_SECONDS)

fmt: ## Format the code.
	cargo fmt --all

# Everything else that is missing is installed by the stack, which is itself Rust and has to be linked first.
linker:
	@command -v cc >/dev/null || { \
		echo "install: gcc and libc6-dev, because rustc links with cc"; \
		sudo=; [ "$$(id -u)" = 0 ] || sudo="sudo -n"; \
		$$sudo apt-get -q update && $$sudo apt-get -q install -y --no-install-recommends gcc libc6-dev; \
	}
