# The durable side: the history of episodes.

resource "aws_dynamodb_table" "this" {
  # checkov:skip=CKV_AWS_119:Always encrypted with a key of the account's, and with one of one's own where `kms` gives one
  name                        = var.name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = var.is_protected

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  # By time of receipt, so that what is written is kept its time whatever its own time says.
  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
  tags = var.tags
}
