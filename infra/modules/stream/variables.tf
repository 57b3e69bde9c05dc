variable "name" {
  description = "Name of the stream."
  type        = string
}

variable "tags" {
  description = "Tags of all that can have some."
  type        = map(string)
}

variable "kms_key_arn" {
  description = "Key of its records; null for the key of the service."
  type        = string
}

variable "n_shards" {
  description = "Shards; 0 for as many as are needed, on demand."
  type        = number
}

variable "retention_h" {
  description = "How long records are kept."
  type        = number
}

variable "function_alias_arn" {
  description = "The function that reads it."
  type        = string
}

variable "batch_size" {
  description = "Most records of one invocation."
  type        = number
}

variable "record_age_max_s" {
  description = "How old a record may be that is still tried."
  type        = number
}

variable "attempts_max" {
  description = "How often a record is tried again before it is a dead letter."
  type        = number
}
