// Package journal stores the records that one run writes and another one reads: plans, intents,
// outcomes, tombstones, the event budget, reports and failures.
package journal

// secondForm is the format of times in names of records, in whole seconds.
const secondForm = "20060102T150405Z"

// emptyRecord is the content of a record that has all information in its name.
const emptyRecord = "{\"format\":1}\n"
