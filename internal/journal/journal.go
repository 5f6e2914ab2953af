// Package journal is what one run leaves for another: plans, intents, outcomes,
// tombstones, the event budget and failures.
package journal

// secondForm is the form of whole seconds in names of records.
const secondForm = "20060102T150405Z"

// emptyRecord is the content of a record whose name says all.
const emptyRecord = "{\"format\":1}\n"
