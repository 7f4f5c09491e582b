package remote

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/pkg/sftp"
)

// target is the file system of the remote machine.
type target struct{ files *sftp.Client }

// kind says what lies at a remote path.
type kind int

const (
	nothing kind = iota
	file
	folder
)

func (target target) kind(name string) (kind, error) {
	info, err := target.files.Stat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nothing, nil
	case err != nil:
		return nothing, fmt.Errorf("%s: %w", name, err)
	case info.IsDir():
		return folder, nil
	}
	return file, nil
}

// writeText writes a text; the remote path must be the file's own.
func (target target) writeText(text, name string) error {
	there, err := target.kind(name)
	if err != nil {
		return err
	}
	if there == folder {
		return fmt.Errorf("%s is a directory: a text asset needs the path of a file", name)
	}
	return target.write(strings.NewReader(text), name)
}

// copyPath copies a local file or folder. An existing remote folder gets a file, or a folder named without a
// slash at its end, into it under its own name; a folder named with a slash at its end only gives its content.
func (target target) copyPath(source, name string) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	there, err := target.kind(name)
	if err != nil {
		return err
	}
	if info.IsDir() {
		if !strings.HasSuffix(source, "/") {
			name = path.Join(name, filepath.Base(source))
		}
		return target.copyFolder(source, name)
	}
	if there == folder {
		name = path.Join(name, filepath.Base(source))
	}
	return target.copyFile(source, name)
}

func (target target) copyFolder(source, name string) error {
	return filepath.WalkDir(source, func(local string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(source, local)
		if err != nil {
			return err
		}
		remote := path.Join(name, filepath.ToSlash(relative))
		if !entry.IsDir() {
			return target.copyFile(local, remote)
		}
		if err := target.files.MkdirAll(remote); err != nil {
			return fmt.Errorf("cannot make the directory %s: %w", remote, err)
		}
		return nil
	})
}

func (target target) copyFile(source, name string) error {
	local, err := os.Open(source)
	if err != nil {
		return err
	}
	defer local.Close()
	return target.write(local, name)
}

// write writes a file and the folders above it.
func (target target) write(content io.Reader, name string) error {
	if err := target.files.MkdirAll(path.Dir(name)); err != nil {
		return fmt.Errorf("cannot make the directory %s: %w", path.Dir(name), err)
	}
	remote, err := target.files.Create(name)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	_, err = remote.ReadFrom(content)
	return errors.Join(err, remote.Close())
}
