// SPDX-License-Identifier: Apache-2.0

// Package vswitch holds the row models of the Open_vSwitch database
// (ovs-vswitchd.conf.db(5)) that ovsnet reads and writes.
//
// The models are generated from vswitch.ovsschema, which is the schema of Open
// vSwitch 2.17 (8.3.0) cut down to the columns that ovsnet uses: a model with a
// column that the server lacks would make connecting to an older Open vSwitch
// fail, while columns that only the server knows do no harm. To use another
// column, add it to vswitch.ovsschema, check that 2.17 has it (testdata), and
// run go generate.
package vswitch

//go:generate go tool modelgen -extended -p vswitch -o . vswitch.ovsschema
