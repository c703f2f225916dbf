#pragma once

#include "stage.h"

namespace convstage {

// The table of kernels that runs.
const Kernels& active();

}  // namespace convstage
