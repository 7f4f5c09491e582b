// Command pulumi-resource-libvirt is the libvirt plugin, for machines that cannot download the published one.
package main

import (
	_ "embed"
	"os"
	"time"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"

	"pgpool-lab/toolchain/libvirt/provider"
)

//go:embed schema.json
var schema []byte

func main() {
	go endWithEngine()
	tfbridge.Main("libvirt", provider.Version, provider.Info(), schema)
}

// endWithEngine ends this process when the engine that started it is gone: a killed engine tells its plugins nothing.
// The engine's requests end with its connection; what they were doing gets a moment to end too.
func endWithEngine() {
	for engine := os.Getppid(); os.Getppid() == engine; {
		time.Sleep(time.Second)
	}
	time.Sleep(10 * time.Second)
	os.Exit(1)
}
