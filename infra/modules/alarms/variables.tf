variable "name" {
  description = "Prefix of names."
  type        = string
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
}

variable "enabled" {
  description = "Creates the alarms."
  type        = bool
}

variable "topic_arn" {
  description = "An existing topic; null for none, or for a new one."
  type        = string
}

variable "emails" {
  description = "Recipients; with any, a new topic is created."
  type        = list(string)
}

variable "kms_key_arn" {
  description = "Key of the topic."
  type        = string
}

variable "dashboard" {
  description = "Creates the dashboard."
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
  description = "True if the functions have URLs."
  type        = bool
}

variable "has_api" {
  description = "True if there is an API; known at plan time, unlike its id."
  type        = bool
}

variable "api_id" {
  description = "Id of the API."
  type        = string
}

variable "table_name" {
  description = "Name of the table; null for none."
  type        = string
}

variable "cache_name" {
  description = "Name of the cache; null for an external one."
  type        = string
}

variable "cache_mode" {
  description = "`serverless` or `replication_group`."
  type        = string
}

variable "data_gb_max" {
  description = "Limit of a serverless cache, in gigabytes."
  type        = number
}

variable "cache_nodes" {
  description = "Nodes of a replication group."
  type        = list(string)
}

variable "metrics_namespace" {
  description = "Namespace of the metrics that the functions write; null if they write none."
  type        = string
}

variable "triggers" {
  description = "Triggers of `ingest-stream`, by their names in its metrics."
  type        = list(string)
}

variable "queue_name" {
  description = "Name of the queue; null for none."
  type        = string
}

variable "stream_name" {
  description = "Name of the stream; null for none."
  type        = string
}

variable "dead_letters" {
  description = "Dead-letter queues by source."
  type        = map(string)
}
