using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Kedge.Crypto.Kem;

namespace Kedge.Bench.PostQuantum;

/// <summary>
/// A statistical test for leaks of decapsulation by time, after "Dude, is my code constant time?" (Reparaz, Balasch, Verbauwhede, 2017):
/// inputs of two classes in random order, and Welch's t-test of their times, of all and of those below percentiles, as what a machine adds
/// lies in the long tail. A great t says that the classes differ; a small one, that this many measurements did not tell them apart.
/// </summary>
internal sealed class TimingTest
{
    /// <summary>Greater magnitudes of t are no accident: in one of 150,000 tests of equal classes.</summary>
    public const double Threshold = 4.5;

    private const int MostMeasurements = 40_000, FewestMeasurements = 4_000, WarmUps = 500;

    // Of each class; and of keys, which for McEliece take a tenth of a second to make.
    private const int Inputs = 64, Keys = 16;

    // Percentiles as in the paper's tool: dense where the tail begins.
    private const int Crops = 100;

    private static readonly TimeSpan MostTime = TimeSpan.FromSeconds(10);

    private readonly IKem _kem;
    private readonly bool _hasPublicPart;
    private readonly (byte[] Public, byte[] Secret)[] _keys;

    /// <summary>Makes the keys.</summary>
    /// <param name="kem">What is tested.</param>
    /// <param name="publicPart">
    /// What is public in a secret key, if anything, and may decide about time: by Kyber's public seed, more or less has to be sampled. All
    /// keys are given the same.
    /// </param>
    public TimingTest(IKem kem, Range publicPart)
    {
        _kem = kem;
        _hasPublicPart = !publicPart.Equals(default);
        _keys = [.. Enumerable.Range(0, Keys).Select(_ => (new byte[kem.PublicKeySize], new byte[kem.SecretKeySize]))];
        foreach ((byte[] publicKey, byte[] secretKey) in _keys)
        {
            kem.GenerateKeyPair(publicKey, secretKey);
            _keys[0].Secret.AsSpan(publicPart).CopyTo(secretKey.AsSpan(publicPart));
        }
    }

    /// <summary>One key; ciphertexts that were encapsulated for it, and random ones.</summary>
    public string ValidAgainstInvalid()
    {
        Input[] valid = [.. Enumerable.Range(0, Inputs).Select(_ => Encapsulated(0))];
        Input[] invalid = [.. Enumerable.Range(0, Inputs).Select(_ => Random(0))];
        return Test(valid, invalid);
    }

    /// <summary>Ciphertexts for one key, and each for one of several: valid, or random where keys share what is public in them.</summary>
    public string FixedAgainstRandomKey()
    {
        Func<int, Input> make = _hasPublicPart ? Random : Encapsulated;
        return Test(
            [.. Enumerable.Range(0, Inputs).Select(_ => make(0))],
            [.. Enumerable.Range(0, Inputs).Select(i => make(1 + (i % (Keys - 1))))]);
    }

    private Input Encapsulated(int key)
    {
        Input input = Random(key);
        _kem.Encapsulate(_keys[key].Public, input.Ciphertext, new byte[_kem.SharedSecretSize]);
        return input;
    }

    // A copy of the key for each, or a class with one key would find it in the cache more often.
    private Input Random(int key) => new([.. _keys[key].Secret], RandomNumberGenerator.GetBytes(_kem.CiphertextSize));

    // A machine that is busy can make one test fail. A leak makes both.
    private string Test(Input[] first, Input[] second)
    {
        (double t, int count) = Measure(first, second);
        if (t < Threshold)
            return Text($"|t| = {t:F2} of {count} measurements: pass");
        (double again, int countAgain) = Measure(first, second);
        return Text($"|t| = {t:F2} of {count} measurements, then {again:F2} of {countAgain}: {(again < Threshold ? "pass" : "FAIL")}");
    }

    private (double GreatestT, int Count) Measure(Input[] first, Input[] second)
    {
        // Whatever the class, the operation reads the same memory, just written.
        byte[] secretKey = new byte[_kem.SecretKeySize], ciphertext = new byte[_kem.CiphertextSize];
        byte[] secret = new byte[_kem.SharedSecretSize];
        var times = new List<(bool IsSecond, long Time)>(MostMeasurements);
        long started = Stopwatch.GetTimestamp();
        for (int i = -WarmUps; i < MostMeasurements; i++)
        {
            if (i >= FewestMeasurements && Stopwatch.GetElapsedTime(started) > MostTime)
                break;
            int choice = RandomNumberGenerator.GetInt32(2 * Inputs);
            bool isSecond = choice >= Inputs;
            Input input = (isSecond ? second : first)[choice % Inputs];
            input.SecretKey.CopyTo(secretKey, 0);
            input.Ciphertext.CopyTo(ciphertext, 0);
            long start = Stopwatch.GetTimestamp();
            _kem.Decapsulate(secretKey, ciphertext, secret);
            long time = Stopwatch.GetTimestamp() - start;
            if (i >= 0)
                times.Add((isSecond, time));
        }

        return (GreatestT(times), times.Count);
    }

    private static double GreatestT(List<(bool IsSecond, long Time)> times)
    {
        long[] sorted = [.. times.Select(measurement => measurement.Time).Order()];
        double greatest = Math.Abs(WelchT(times));
        for (int i = 1; i <= Crops; i++)
        {
            double quantile = 1 - Math.Pow(0.5, 10.0 * i / Crops);
            long limit = sorted[(int)(quantile * (sorted.Length - 1))];
            List<(bool, long)> cropped = [.. times.Where(measurement => measurement.Time < limit)];

            // Of few measurements, and of times that the clock rounds to a handful of values, t says nothing.
            if (cropped.Count >= times.Count / 10)
                greatest = Math.Max(greatest, Math.Abs(WelchT(cropped)));
        }
        return greatest;
    }

    private static double WelchT(List<(bool IsSecond, long Time)> times)
    {
        (double firstMean, double firstError) = Moments(times.Where(measurement => !measurement.IsSecond));
        (double secondMean, double secondError) = Moments(times.Where(measurement => measurement.IsSecond));
        double error = firstError + secondError;
        return error > 0 ? (firstMean - secondMean) / Math.Sqrt(error) : 0;
    }

    // The mean, and the square of its standard error.
    private static (double Mean, double Error) Moments(IEnumerable<(bool IsSecond, long Time)> times)
    {
        double[] values = [.. times.Select(measurement => (double)measurement.Time)];
        if (values.Length < 2)
            return (0, 0);
        double mean = values.Average(), squares = values.Sum(value => (value - mean) * (value - mean));
        return (mean, squares / (values.Length - 1) / values.Length);
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed record Input(byte[] SecretKey, byte[] Ciphertext);
}
