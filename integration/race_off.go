// SPDX-License-Identifier: Apache-2.0

//go:build !race

package integration

// raced says that the tests were built with the race detector: the driver is built with it too.
const raced = false
