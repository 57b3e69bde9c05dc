# The smallest deployment: two functions with a function URL each, for callers with IAM; Valkey, serverless and bounded;
# the history. It costs a few dollars a month, of which the cache is nearly all.

terraform {
  required_version = ">= 1.9.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.80.0, < 6.0.0"
    }
  }
}

provider "aws" {
  region = var.region
}

variable "region" {
  description = "Where to deploy."
  type        = string
  default     = "eu-west-1"
}

variable "packages_folder" {
  description = "Folder of the packages, where `make lambda-build` puts them elsewhere."
  type        = string
  default     = null
}

module "tidemark" {
  source = "../.."

  packages_folder = var.packages_folder
  # One gigabyte is about a hundred thousand series; what is not used is not paid for.
  cache = { data_gb_max = 1, ecpu_per_s_max = 1000, snapshot_days = 0 }
  # Four alarms fewer than the free tier of an account has; they show in the console.
  tracing = false
}

output "urls" {
  description = "Where the functions answer; requests are signed for the service `lambda`."
  value       = module.tidemark.urls
}
