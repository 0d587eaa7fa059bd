/* Lists of numbers, for what is made once for each of them: UP_TO_4(X, more) is X(1, more) X(2, more) .. X(4, more). */
#ifndef UP_TO_H
#define UP_TO_H
#define FROM_5_TO_6(X, ...) X(5, __VA_ARGS__) X(6, __VA_ARGS__)
#define FROM_5_TO_10(X, ...) FROM_5_TO_6(X, __VA_ARGS__) X(7, __VA_ARGS__) X(8, __VA_ARGS__) X(9, __VA_ARGS__) \
    X(10, __VA_ARGS__)
#define FROM_5_TO_12(X, ...) FROM_5_TO_10(X, __VA_ARGS__) X(11, __VA_ARGS__) X(12, __VA_ARGS__)
#define UP_TO_2(X, ...) X(1, __VA_ARGS__) X(2, __VA_ARGS__)
#define UP_TO_4(X, ...) UP_TO_2(X, __VA_ARGS__) X(3, __VA_ARGS__) X(4, __VA_ARGS__)
#define UP_TO_5(X, ...) UP_TO_4(X, __VA_ARGS__) X(5, __VA_ARGS__)
#define UP_TO_6(X, ...) UP_TO_4(X, __VA_ARGS__) FROM_5_TO_6(X, __VA_ARGS__)
#define UP_TO_10(X, ...) UP_TO_4(X, __VA_ARGS__) FROM_5_TO_10(X, __VA_ARGS__)
#define UP_TO_12(X, ...) UP_TO_4(X, __VA_ARGS__) FROM_5_TO_12(X, __VA_ARGS__)
#define UP_TO_14(X, ...) UP_TO_12(X, __VA_ARGS__) X(13, __VA_ARGS__) X(14, __VA_ARGS__)
#endif
