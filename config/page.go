// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
)

// Page gives the options page in Markdown: every option of a network, of an endpoint and of the daemon.
// docs/options.md holds exactly this text, and ovsnet options prints it.
func Page() string {
	var b strings.Builder
	b.WriteString(`# Options

<!-- Written by "ovsnet options". Change the tables in package config, not this page. -->

Where an option has two keys, both mean the same: the first is ovsnet's, the second Docker's own. Giving both with
different values is an error. An unknown key is an error that names the nearest known one, except below
` + "`com.docker.`" + `, where keys that mean nothing here are ignored with a line in the log.

## Networks: ` + "`docker network create -o key=value`" + `

`)
	writeTable(&b, NetworkOptions())
	b.WriteString(`
` + "`--internal`, `--ipv6`, `--ipv4=false`, `--subnet`, `--gateway` and `--aux-address`" + ` are Docker's and need no key.

## Containers: ` + "`docker network connect --driver-opt key=value`" + `

The same keys go behind ` + "`docker run --network name=mynet,driver-opt=key=value`" + ` and into a Compose file's
` + "`driver_opts`" + ` of a service's network.

`)
	writeTable(&b, EndpointOptions())
	b.WriteString(`
` + "`--ip`, `--ip6` and `--mac-address`" + ` are Docker's and need no key.

## The daemon

Each setting is taken from the last of these that gives it: the default, the file ` + "`" + DefaultFile + "`" + `
(another with ` + "`--config` or `" + EnvFile + "`" + `), the environment, the command line of ` + "`ovsnet serve`" + `. An
environment variable with no value counts as not set. In the managed plugin the environment is set with
` + "`docker plugin set`" + `.

| File | Environment | Flag | Type | Default | Meaning |
|---|---|---|---|---|---|
`)
	for _, o := range DaemonOptions() {
		fmt.Fprintf(&b, "| `%s` | `%s` | `--%s` | %s | %s | %s |\n",
			o.Key, o.Env(), o.Flag(), cell(o.Type), code(o.Default), cell(o.Doc))
	}
	return b.String()
}

// OptionsTable gives the network and endpoint options as one Markdown table, for the README.
func OptionsTable() string {
	var b strings.Builder
	writeTable(&b, append(NetworkOptions(), EndpointOptions()...))
	return b.String()
}

// writeTable writes the options that Docker hands through.
func writeTable(b *strings.Builder, opts []Option) {
	b.WriteString("| Key | Type | Default | Meaning |\n|---|---|---|---|\n")
	for _, o := range opts {
		names := o.names()
		for i := range names {
			names[i] = "`" + names[i] + "`"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", strings.Join(names, "<br>"), cell(o.Type), cell(o.Default), cell(o.Doc))
	}
}

// cell escapes what would end a table's cell or be taken for HTML.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;").Replace(s)
}

// code sets a default in code, or leaves the cell empty.
func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + cell(s) + "`"
}
