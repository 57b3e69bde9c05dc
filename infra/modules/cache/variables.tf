variable "name" {
  description = "Name of the cache and of its user."
  type        = string
}

variable "tags" {
  description = "Tags of all that can have some."
  type        = map(string)
}

variable "mode" {
  description = "`serverless` or `replication_group`."
  type        = string
}

variable "data_gb_max" {
  description = "Serverless: most gigabytes, which bounds the bill."
  type        = number
}

variable "ecpu_per_s_max" {
  description = "Serverless: most processing units a second, which bounds the bill."
  type        = number
}

variable "node_type" {
  description = "Replication group: type of its nodes."
  type        = string
}

variable "n_shards" {
  description = "Replication group: shards; past one it is a cluster."
  type        = number
}

variable "n_replicas" {
  description = "Replication group: replicas of each shard."
  type        = number
}

variable "snapshot_days" {
  description = "How long daily snapshots are kept; 0 for none."
  type        = number
}

variable "subnet_ids" {
  description = "Where it is."
  type        = list(string)
}

variable "security_group_id" {
  description = "Who reaches it."
  type        = string
}

variable "kms_key_arn" {
  description = "Key of what it writes to disks; null for the key of the service."
  type        = string
}
