package remote

import (
	"context"

	"github.com/pkg/sftp"
	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// CopyToRemote is the resource `command:remote:CopyToRemote`. Deleting it leaves the copy where it is.
type CopyToRemote struct{}

// CopyInputs of a copy.
type CopyInputs struct {
	Connection Connection           `pulumi:"connection"        provider:"secret"`
	Triggers   *[]any               `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	Source     types.AssetOrArchive `pulumi:"source"`
	RemotePath string               `pulumi:"remotePath"`
}

// CopyState is what the engine keeps of a copy.
type CopyState struct{ CopyInputs }

// Check refuses a source that is neither a file, nor a text, nor a folder.
func (*CopyToRemote) Check(
	ctx context.Context, request infer.CheckRequest,
) (infer.CheckResponse[CopyInputs], error) {
	inputs, failures, err := infer.DefaultCheck[CopyInputs](ctx, request.NewInputs)
	source, given := request.NewInputs.GetOk("source")
	if given && !source.HasComputed() && !supported(inputs.Source) {
		failures = append(failures, provider.CheckFailure{
			Property: "source",
			Reason:   "must be a FileAsset, a StringAsset or a FileArchive",
		})
	}
	return infer.CheckResponse[CopyInputs]{Inputs: inputs, Failures: failures}, err
}

func supported(source types.AssetOrArchive) bool {
	if source.Archive != nil {
		return source.Asset == nil && source.Archive.IsPath()
	}
	return source.Asset != nil && (source.Asset.IsPath() || source.Asset.IsText())
}

// Create copies.
func (*CopyToRemote) Create(
	ctx context.Context, request infer.CreateRequest[CopyInputs],
) (infer.CreateResponse[CopyState], error) {
	response := infer.CreateResponse[CopyState]{Output: CopyState{request.Inputs}}
	if request.DryRun {
		return response, nil
	}
	if err := request.Inputs.copy(ctx); err != nil {
		return response, err
	}
	id, err := resource.NewUniqueHex("", 8, 0)
	response.ID = id
	return response, err
}

// Update copies again where the content or the path is another one; a changed connection alone copies nothing.
func (*CopyToRemote) Update(
	ctx context.Context, request infer.UpdateRequest[CopyInputs, CopyState],
) (infer.UpdateResponse[CopyState], error) {
	response := infer.UpdateResponse[CopyState]{Output: CopyState{request.Inputs}}
	same := hash(request.Inputs.Source) == hash(request.State.Source) &&
		request.Inputs.RemotePath == request.State.RemotePath
	if request.DryRun || same {
		return response, nil
	}
	return response, request.Inputs.copy(ctx)
}

func hash(source types.AssetOrArchive) string {
	switch {
	case source.Asset != nil:
		return source.Asset.Hash
	case source.Archive != nil:
		return source.Archive.Hash
	}
	return ""
}

func (inputs CopyInputs) copy(ctx context.Context) error {
	client, err := inputs.Connection.dial(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	// A cancelled update ends the transfer.
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	files, err := sftp.NewClient(client, sftp.UseConcurrentWrites(true))
	if err != nil {
		return err
	}
	defer files.Close()
	target := target{files}
	switch source := inputs.Source; {
	case source.Archive != nil:
		return target.copyPath(source.Archive.Path, inputs.RemotePath)
	case source.Asset.IsText():
		return target.writeText(source.Asset.Text, inputs.RemotePath)
	default:
		return target.copyPath(source.Asset.Path, inputs.RemotePath)
	}
}
