// Command pulumi-resource-libvirt is the libvirt plugin, for machines that cannot download the published one.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"

	"pgpool-lab/toolchain/libvirt/provider"
)

//go:embed schema.json
var schema []byte

func main() {
	tfbridge.Main("libvirt", provider.Version, provider.Info(), schema)
}
