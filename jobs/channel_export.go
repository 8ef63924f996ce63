package jobs

import (
	"maps"
	"slices"
)

// ChannelExport is the kind channel_export: it reads how the channels of all apps
// are doing, or those of the job's app, as far as the Provisioning API knows.
type ChannelExport struct{ snapshot }

// channelOperations say how a channel of an app is doing.
var channelOperations = map[string]string{
	"INSTAGRAM": "ConversationInstagramController_get_v1",
	"MESSENGER": "ConversationMessengerController_get_v1",
	"TELEGRAM":  "ConversationTelegramController_get_v1",
	"VIBER":     "ConversationViberController_get_v1",
}

// Check says what is read. An app without the channel answers 404.
func (k *ChannelExport) Check(c *Checker) {
	k.ofApps(c.App(), func(app step) (steps []step) {
		for _, channel := range slices.Sorted(maps.Keys(channelOperations)) {
			steps = append(steps, step{List: channel}.with("conversationAppId", app.Params["app_id"]))
		}
		return steps
	})
	for channel, id := range channelOperations {
		k.lists[channel] = &list{operation: operation(id), dataset: "channels", row: channelRow, mayLack: true, redacted: true}
	}
}
