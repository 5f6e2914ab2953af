// Package journal stores the records that one run writes and another one reads: plans, intents,
// outcomes, tombstones, the event budget, reports and failures.
package journal

// secondForm is the format of times in names of records, in whole seconds.
const secondForm = "20060102T150405Z"
