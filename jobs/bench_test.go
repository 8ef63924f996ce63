package jobs

import (
	"fmt"
	"testing"

	"convbatch/sources"
)

func BenchmarkRender(b *testing.B) {
	const request = `
recipient: {identified_by: {channel_identities: [{channel: SMS, identity: "{{.phone}}"}]}}
message: {text_message: {text: "%s"}}
correlation_id: "{{.id}}"
`
	for name, text := range map[string]string{
		"columns":  "Hi {{.name}}, spring is here.",
		"template": "Hi {{.name | default \\\"friend\\\"}}, {{if .offer}}{{.offer}}{{end}} is here.",
	} {
		b.Run(name, func(b *testing.B) {
			bound := mustBind(b, mustCompile(b, fmt.Sprintf(request, text)), "id", "phone", "name", "offer")
			row := sources.Row{Values: []string{"17", "+491701234567", "Ada \"the first\" Lovelace", "spring"}}
			var buf []byte
			var err error
			b.ReportAllocs()
			for b.Loop() {
				if buf, err = bound.Render(buf[:0], row); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}
