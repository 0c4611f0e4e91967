#include "include/CLexicon.h"
#include "bits_embedded.h"

static const uint8_t config[] = {
#embed "lexicon-5m/config.json"
};
static const uint8_t generation_config[] = {
#embed "lexicon-5m/generation_config.json"
};
static const uint8_t tokenizer[] = {
#embed "lexicon-5m/tokenizer.json"
};
static const uint8_t tokenizer_config[] = {
#embed "lexicon-5m/tokenizer_config.json"
};
_Alignas(64) static const uint8_t weights[] = {
#embed "lexicon-5m/model.safetensors"
};
static const uint8_t valid[] = {
#embed "text/valid.txt"
};
static const uint8_t sft_train[] = {
#embed "text/sft_train.jsonl"
};
static const uint8_t sft_valid[] = {
#embed "text/sft_valid.jsonl"
};

void clexicon_link(void) {}

__attribute__((constructor)) static void register_files(void) {
#define REGISTER(path, bytes) bits_embedded_register(path, bytes, sizeof bytes)
    REGISTER("lexicon-5m/config.json", config);
    REGISTER("lexicon-5m/generation_config.json", generation_config);
    REGISTER("lexicon-5m/tokenizer.json", tokenizer);
    REGISTER("lexicon-5m/tokenizer_config.json", tokenizer_config);
    REGISTER("lexicon-5m/model.safetensors", weights);
    REGISTER("text/valid.txt", valid);
    REGISTER("text/sft_train.jsonl", sft_train);
    REGISTER("text/sft_valid.jsonl", sft_valid);
}
