import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif
