// SPDX-License-Identifier: Apache-2.0

package main

import "strings"

// shortID is how Docker shows an id.
func shortID(id string) string { return id[:min(len(id), 12)] }

// list writes texts with commas, and a dash for none.
func list(texts []string) string {
	if len(texts) == 0 {
		return "-"
	}
	return strings.Join(texts, ",")
}
