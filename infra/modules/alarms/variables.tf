variable "name" {
  description = "Prefix of names."
  type        = string
}

variable "tags" {
  description = "Tags of all that can have some."
  type        = map(string)
}

variable "enabled" {
  description = "Whether there are alarms."
  type        = bool
}

variable "topic_arn" {
  description = "A topic that is there; null for none, or one of its own."
  type        = string
}

variable "emails" {
  description = "Who is told; with some there is a topic of its own."
  type        = list(string)
}

variable "kms_key_arn" {
  description = "Key of the topic."
  type        = string
}

variable "dashboard" {
  description = "Whether there is a dashboard."
  type        = bool
}

variable "region" {
  description = "Region of the dashboard's metrics."
  type        = string
}

variable "functions" {
  description = "Functions by their short name."
  type        = map(object({ name = string, timeout_s = number }))
}

variable "has_urls" {
  description = "Whether the functions have URLs."
  type        = bool
}

variable "has_api" {
  description = "Whether there is an API; known before its id is."
  type        = bool
}

variable "api_id" {
  description = "Of the API."
  type        = string
}

variable "table_name" {
  description = "Of the table; null for none."
  type        = string
}

variable "cache_name" {
  description = "Of the cache; null where it is another's."
  type        = string
}

variable "cache_mode" {
  description = "`serverless` or `replication_group`."
  type        = string
}

variable "data_gb_max" {
  description = "Most gigabytes of a serverless cache."
  type        = number
}

variable "cache_nodes" {
  description = "Nodes of a replication group."
  type        = list(string)
}

variable "metrics_namespace" {
  description = "Where the functions' own metrics are; null where they tell none."
  type        = string
}

variable "triggers" {
  description = "What brings records to `ingest-stream`, as its metrics call it."
  type        = list(string)
}

variable "queue_name" {
  description = "Of the queue; null for none."
  type        = string
}

variable "stream_name" {
  description = "Of the stream; null for none."
  type        = string
}

variable "dead_letters" {
  description = "Queues of dead letters, by what they are of."
  type        = map(string)
}
