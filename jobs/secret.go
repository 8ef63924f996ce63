package jobs

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"unicode"

	yaml "go.yaml.in/yaml/v4"

	"convbatch/client"
)

// maxSecret bounds a file that holds a secret, in bytes.
const maxSecret = 64 << 10

// secret reads a secret: a text, for which a variable is better, or the file
// that holds it. Nothing that is said repeats any of it (invariant 6).
func (d *decoder) secret(into *client.Secret, n *yaml.Node, at *trail) {
	if n.Kind == yaml.MappingNode {
		var from struct {
			File string `yaml:"file" required:"true"`
		}
		// Keys are not named: a secret in braces would be one.
		if _, file := pair(n, "file"); file == nil || len(n.Content) != 2 {
			d.fail(d.named(n, at), at, "must be a text, best a variable, or {file: PATH}", "")
			return
		}
		d.structs(n, at, false, reflect.ValueOf(&from).Elem())
		if path := at.at("file"); !d.given[path.String()] {
			_, file := pair(n, "file")
			*into = d.secretFile(from.File, file, path)
		}
		return
	}
	if n.Kind != yaml.ScalarNode {
		d.fail(n, at, "must be a text, best a variable, or {file: PATH}", "")
		return
	}
	text, ok := d.text(n, at)
	switch {
	case !ok:
		return
	case text == "":
		return // the field is required; checkTags says so
	case strings.ContainsFunc(text, unicode.IsControl):
		d.fail(n, at, "holds a line break or another control character", "")
		return
	case !onlyVariables(n.Value):
		d.warn(n, at.String(), "the secret stands in the file", "use a variable, as in ${SINCH_KEY_SECRET}, or {file: PATH}")
	}
	*into = client.Secret(text)
}

func (d *decoder) secretFile(name string, n *yaml.Node, at *trail) client.Secret {
	f, err := os.Open(d.file.Within(name))
	if err != nil {
		d.fail(n, at, "the file of the secret can not be opened: "+cause(err), "")
		return ""
	}
	defer func() { _ = f.Close() }() // it was only read
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		d.warn(n, at.String(), fmt.Sprintf("others can read the file of the secret (mode %04o)", info.Mode().Perm()), "chmod 600 it")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	secret := strings.TrimRight(string(text), "\r\n")
	switch {
	case err != nil:
		d.fail(n, at, "the file of the secret can not be read: "+cause(err), "")
	case secret == "":
		d.fail(n, at, "the file of the secret is empty", "")
	case len(text) > maxSecret || strings.ContainsFunc(secret, unicode.IsControl):
		d.fail(n, at, "the file of the secret holds more than one line of text", "")
	default:
		return client.Secret(secret)
	}
	return ""
}
