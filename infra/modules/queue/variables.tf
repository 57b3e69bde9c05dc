variable "name" {
  description = "Name of the queue."
  type        = string
}

variable "tags" {
  description = "Tags of all that can have some."
  type        = map(string)
}

variable "kms_key_arn" {
  description = "Key of its messages; null for the key of the service."
  type        = string
}

variable "attempts_max" {
  description = "How often a message is tried before it is a dead letter."
  type        = number
}

variable "function_alias_arn" {
  description = "The function that reads it."
  type        = string
}

# Apart from the ARN, which is known only after the queue is.
variable "function_timeout_s" {
  description = "Longest time of an invocation of that function."
  type        = number
}

variable "batch_size" {
  description = "Most messages of one invocation."
  type        = number
}

variable "batching_window_s" {
  description = "How long to wait for a full batch."
  type        = number
}

variable "concurrency_max" {
  description = "Most invocations at once for this queue."
  type        = number
}
