// The words of signs. Every seventh one is held out of training.
#include <algorithm>

#include "engine/training/scenes/scene.h"

namespace safelight {

const std::vector<std::string>& sign_words() {
  static const std::vector<std::string> words = {
      "A1",    "AIR",   "ALL",   "ART",    "ATM",   "BAKERY", "BANK",  "BAR",   "BED",    "BEER",  "BIKE",  "BOOK",  "BOOKS", "BOX",    "BREAD",
      "BUS",   "BUY",   "CAB",   "CAFE",   "CAR",   "CASH",   "CITY",  "CLOSED", "COFFEE", "COLD", "CUT",   "DANGER", "DELI", "DOG",    "DOOR",
      "DOWN",  "DRY",   "EAST",  "EAT",    "EXIT",  "FARM",   "FAST",  "FILM",  "FIRE",   "FISH",  "FLAT",  "FOOD",  "FREE",  "FUEL",   "GAME",
      "GAS",   "GATE",  "GIFT",  "GO",     "GOLD",  "GYM",    "HALL",  "HELP",  "HOT",    "HOTEL", "HOUSE", "ICE",   "IN",    "INFO",   "INN",
      "JAZZ",  "JOB",   "KEY",   "KIDS",   "LANE",  "LAW",    "LEFT",  "LIFT",  "LIVE",   "LOST",  "LUNCH", "MAIN",  "MAP",   "MARKET", "MEAT",
      "MENU",  "METRO", "MILK",  "MOTEL",  "MUSIC", "NEW",    "NO",    "NORTH", "NOW",    "OFF",   "OIL",   "ON",    "ONE",   "OPEN",   "OUT",
      "PARK",  "PAY",   "PET",   "PHONE",  "PIER",  "PIZZA",  "POLICE", "POOL", "PORT",   "POST",  "PUB",   "PULL",  "PUSH",  "QUIET",  "RADIO",
      "RAIL",  "RED",   "RENT",  "REST",   "ROAD",  "ROCK",   "ROOM",  "RUN",   "SAFE",   "SALE",  "SALT",  "SCHOOL", "SEA",  "SHOE",   "SHOP",
      "SHOW",  "SKI",   "SLOW",  "SNOW",   "SOLD",  "SOUP",   "SOUTH", "SPA",   "SPORT",  "STAR",  "STOP",  "STORE", "SUN",   "TAXI",   "TEA",
      "TICKET", "TIME", "TOLL",  "TOOL",   "TOWN",  "TOY",    "TRAIN", "TRAM",  "TWO",    "UP",    "USED",  "VAN",   "VIP",   "WALK",   "WARM",
      "WASH",  "WATER", "WAY",   "WEST",   "WET",   "WIFI",   "WINE",  "WOOD",  "WORK",   "YES",   "ZONE",  "ZOO",   "24H",   "50",     "7UP"};
  return words;
}

bool held_out(const std::string& word) {
  const auto& words = sign_words();
  const auto it = std::find(words.begin(), words.end(), word);
  return it != words.end() && (it - words.begin()) % 7 == 4;
}

}  // namespace safelight
