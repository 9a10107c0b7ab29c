// SPDX-License-Identifier: Apache-2.0

package api

// Keys that engines use in options (moby, daemon/libnetwork/netlabel).
const (
	// KeyGeneric holds the "-o" options of a network.
	KeyGeneric = "com.docker.network.generic"
	// KeyEnableIPv4 is false when the network was created with "--ipv4=false". Since 28.0.
	KeyEnableIPv4 = "com.docker.network.enable_ipv4"
	// KeyEnableIPv6 is true when the network was created with "--ipv6".
	KeyEnableIPv6 = "com.docker.network.enable_ipv6"
	// KeyInternal is true when the network was created with "--internal".
	KeyInternal = "com.docker.network.internal"
	// KeyPortMap holds the ports to publish.
	KeyPortMap = "com.docker.network.portmap"
	// KeyExposedPorts holds the ports that a container offers.
	KeyExposedPorts = "com.docker.network.endpoint.exposedports"
	// KeyNoProxy6To4 belongs to ProgramExternalConnectivity. Since 28.0.
	KeyNoProxy6To4 = "com.docker.network.driver.private.no_proxy_6to4"
)

// Options are the options of a request as the engine sent them: JSON values
// (string, bool, json.Number, []any, map[string]any) by key.
type Options map[string]any

// Generic returns the "-o key=value" options of a network; never nil.
func (o Options) Generic() map[string]string { return map[string]string{} }

// EnableIPv4 tells whether the network carries IPv4; true unless the engine says otherwise.
func (o Options) EnableIPv4() bool { return true }

// EnableIPv6 tells whether the network was created with "--ipv6".
func (o Options) EnableIPv6() bool { return false }

// Internal tells whether the network was created with "--internal".
func (o Options) Internal() bool { return false }

// DriverOpts returns the options that are strings at the top level, which is
// where an endpoint's "--driver-opt" arrive; never nil. Docker's own string
// options are among them.
func (o Options) DriverOpts() map[string]string { return map[string]string{} }
