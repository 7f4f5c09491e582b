package local

import (
	"context"

	"github.com/pulumi/pulumi-go-provider/infer"

	"pgpool-lab/toolchain/command/common"
)

// Run is the function `command:local:run`: a command that runs at every preview and every update.
type Run struct{}

// RunInputs are the function's arguments.
type RunInputs struct {
	Options
	Command string `pulumi:"command"`
}

// RunOutputs are the function's arguments and what the command printed.
type RunOutputs struct {
	RunInputs
	common.Outputs
}

// Invoke runs the command.
func (*Run) Invoke(
	ctx context.Context, request infer.FunctionRequest[RunInputs],
) (infer.FunctionResponse[RunOutputs], error) {
	outputs, err := request.Input.Options.run(ctx, request.Input.Command, common.Outputs{})
	return infer.FunctionResponse[RunOutputs]{Output: RunOutputs{request.Input, outputs}}, err
}
