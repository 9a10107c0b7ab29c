// SPDX-License-Identifier: Apache-2.0

// Package config holds everything that a person can set: the daemon's own settings, the options of a
// network (docker network create -o) and the options of an endpoint (docker network connect --driver-opt).
//
// Each of the three is one table in this package. Parsing, validation, flags, environment names, defaults,
// error texts and the options page in docs/ are all made from the rows of these tables, so a new option is
// one new row. The package does no I/O but reading the settings file that it is given.
//
// A daemon setting is taken from, each overruling the one before: the default, the settings file
// (/etc/ovsnet/ovsnet.yaml), the environment (OVSNET_ and the key in capitals), the command line (-- and the
// key with dashes). A key that is not known is an error which names the nearest known one, and all errors are
// reported at once.
package config
