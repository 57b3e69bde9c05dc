variable "name" {
  description = "Name of the rule."
  type        = string
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
}

variable "description" {
  description = "Description of the rule."
  type        = string
}

variable "bus" {
  description = "Name of the event bus."
  type        = string
  default     = "default"
}

variable "schedule" {
  description = "Schedule, `rate(...)` or `cron(...)`; null for a pattern."
  type        = string
  default     = null
}

variable "pattern" {
  description = "Pattern of the events to deliver, as JSON; null for a schedule."
  type        = string
  default     = null
}

variable "function_name" {
  description = "Name of the invoked function."
  type        = string
}

variable "function_alias_name" {
  description = "Name of its alias."
  type        = string
}

variable "function_alias_arn" {
  description = "ARN of its alias."
  type        = string
}
