// SPDX-License-Identifier: Apache-2.0

package config

import "maps"

// Endpoint is what the options of one container's attachment say, typed.
type Endpoint struct {
	// IfName is the name that the interface should get in the container; empty: the network's prefix and the
	// lowest free number. Engines up to 29.7 choose the name themselves, whatever a plugin answers.
	IfName string

	// Raw holds the options as they were given.
	Raw map[string]string
	// Ignored lists Docker's own keys that were given and have no meaning here, sorted.
	Ignored []string
}

// endpointTable is the one table of what docker network connect --driver-opt takes.
var endpointTable = []row[Endpoint]{
	{
		Option: Option{
			Docker: "com.docker.network.endpoint.ifname", Type: "name",
			Default: "the network's prefix and the lowest free number",
			Doc:     "Name of the interface in the container, 1 to 15 bytes. Only engines that let a plugin choose the name act on it (29.8 and later).",
		},
		set: func(e *Endpoint, v string) error { e.IfName = v; return checkLinkName(v) },
	},
}

// EndpointOptions gives the table of what docker network connect --driver-opt takes.
func EndpointOptions() []Option { return options(endpointTable) }

// ParseEndpoint reads the options of an endpoint: the values of CreateEndpoint's options that are texts. Unknown
// keys are errors, but for Docker's own, which are listed in Ignored. Every error is a *KeyError; all are joined.
func ParseEndpoint(opts map[string]string) (Endpoint, error) {
	e := Endpoint{Raw: maps.Clone(opts)}
	ignored, err := parse(endpointTable, &e, opts)
	e.Ignored = ignored
	return e, err
}
