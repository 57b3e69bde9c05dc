variable "name" {
  description = "Name of the table."
  type        = string
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
}

variable "kms_key_arn" {
  description = "Key of the table; null for the key that AWS owns for the account's tables."
  type        = string
}

variable "is_protected" {
  description = "Refuses to delete the table."
  type        = bool
}
