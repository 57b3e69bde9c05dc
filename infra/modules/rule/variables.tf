variable "name" {
  description = "Name of the rule."
  type        = string
}

variable "tags" {
  description = "Tags of all that can have some."
  type        = map(string)
}

variable "description" {
  description = "What it is for."
  type        = string
}

variable "bus" {
  description = "Name of the event bus."
  type        = string
  default     = "default"
}

variable "schedule" {
  description = "When to invoke, `rate(...)` or `cron(...)`; null for a pattern."
  type        = string
  default     = null
}

variable "pattern" {
  description = "Which events to deliver, as JSON; null for a schedule."
  type        = string
  default     = null
}

variable "function_name" {
  description = "The function that is invoked."
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
