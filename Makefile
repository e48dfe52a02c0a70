# Both commands of the README: `make demo` sets up and runs the main job on a sample, `make test` sets up and passes the tests.
# PYTHON may name another interpreter (3.11 or later).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
APT := python3-venv iproute2 iptables nftables ipset conntrack containernetworking-plugins iputils-ping procps busybox-static dash \
	openvswitch-switch ovn-central ovn-host ethtool bird2 ipvsadm
# Not every distribution has these; the tests that need them are skipped, aloud.
MORE := chromium user-mode-linux

# Each worker begins with half of the files, so that what a file builds for its tests is built once.
.PHONY: demo test site packages format clean

demo: $(VENV)/run
	$(BIN)/analyze samples/clusters/peer-pods || test $$? = 1

test: packages $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy $$(find rules -name '*.py' | sort)
	$(BIN)/pytest -n 2 --dist worksteal -rs

# The documents as pages for a browser.
site: $(VENV)/test
	$(BIN)/python -m tests.site --output site

$(VENV)/run: pyproject.toml
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(MAKE) packages
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/test: pyproject.toml $(VENV)/run
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

# The lab needs root and these commands; without root the tests that need them are skipped, aloud.
packages:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  dpkg -s $(APT) >/dev/null 2>&1 || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(APT) >/dev/null; }; \
	else echo "not root or no apt-get: the lab wants $(APT)"; fi
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then for package in $(MORE); do dpkg -s $$package >/dev/null 2>&1 || \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$package >/dev/null 2>&1 || \
	  echo "no $$package: the tests that need it are skipped"; done; fi

format:
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
