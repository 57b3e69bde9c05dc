variable "name" {
  description = "Prefix of names."
  type        = string
}

variable "tags" {
  description = "Tags of all that can have some."
  type        = map(string)
}

variable "cidr" {
  description = "Addresses of a network of its own."
  type        = string
}

variable "n_zones" {
  description = "In how many availability zones."
  type        = number
}

variable "existing" {
  description = "A network that is there; null for one of its own."
  type = object({
    vpc_id     = string
    subnet_ids = list(string)
  })
}

variable "external_cache_port" {
  description = "The port of a cache that is somewhere else in the network; null for one that is made for the functions."
  type        = number
  default     = null
}

variable "table_arn" {
  description = "The only table that can be reached through the endpoint; null for no endpoint."
  type        = string
}

variable "has_table" {
  description = "Whether there is a table; known before its ARN is."
  type        = bool
}
