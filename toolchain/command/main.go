// Command pulumi-resource-command stands in for the published command plugin on machines that cannot download it.
// It has the resources that this project uses, with the published plugin's names, inputs and behaviour.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/middleware/schema"

	"pgpool-lab/toolchain/command/local"
	"pgpool-lab/toolchain/command/remote"
)

// version is the published plugin's version whose behaviour this one has.
const version = "1.2.1"

func main() {
	go endWithEngine()
	plugin := infer.Provider(infer.Options{
		Metadata: schema.Metadata{DisplayName: "Command"},
		Resources: []infer.InferredResource{
			infer.Resource(&local.Command{}),
			infer.Resource(&remote.Command{}),
			infer.Resource(&remote.CopyToRemote{}),
		},
		Functions: []infer.InferredFunction{infer.Function(&local.Run{})},
	})
	if err := provider.RunProvider(context.Background(), "command", version, plugin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
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
